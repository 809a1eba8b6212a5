"""Locks what pyproject.toml asks for: every package with its version and hashes, and no address of an index.

`make lock` runs it. dev.txt is what the Makefile installs, run.txt what a worker needs, build.txt builds the package,
compile.txt compiles it (setup.py).
bench.txt draws the plots of the comparison with other engines, whose Python ones have their locks in bench/rivals/; all
of these are installed into environments of their own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OPTIONS = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]


RIVALS = "../bench/rivals"
QUIX = "quixstreams==3.28.1\norjson>=3.10\n"
FAUST = "faust-streaming==0.15.3\nrocksdict>=0.3.29\norjson>=3.10\ncramjam>=2.8\n"  # cramjam: lz4 for its consumer


def lock(name: str, source: str, *options: str, given: str | None = None) -> None:
    """Write requirements/NAME from `source`: pyproject.toml, or "-" for the requirements in `given`, one a line."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-q", "--upgrade", *OPTIONS, *options]
    subprocess.run(
        [*command, source, "-o", name], cwd=HERE, input=given, text=True, check=True, stdout=subprocess.DEVNULL
    )
    text = (HERE / name).read_text("utf-8")
    origin = "pyproject.toml" if given is None else "requirements/lock.py"
    head = f"# Locked by `make lock`; change {origin}, not this file.\n"
    (HERE / name).write_text(head + text, "utf-8")


def main() -> None:
    lock("dev.txt", "../pyproject.toml", "--extra", "dev")
    # The smaller ones take their versions from the first, so that what runs is what was tested.
    lock("run.txt", "../pyproject.toml", "--constraint", "dev.txt")
    lock("build.txt", "-", "--constraint", "dev.txt", given="setuptools>=77\n")
    lock("compile.txt", "-", "--constraint", "dev.txt", given="cython>=3.1\nsetuptools>=77\n")
    lock("bench.txt", "-", given="matplotlib>=3.10\n")
    lock(f"{RIVALS}/requirements-quix.txt", "-", given=QUIX)
    lock(f"{RIVALS}/requirements-faust.txt", "-", given=FAUST)


if __name__ == "__main__":
    main()
