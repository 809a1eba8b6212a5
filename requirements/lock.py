"""Locks what pyproject.toml asks for: every package with its version and hashes, and no address of an index.

`make lock` runs it. dev.txt is what the Makefile installs, run.txt what a worker needs, build.txt builds the package.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
OPTIONS = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]


def lock(name: str, source: str, *options: str) -> None:
    """Write requirements/NAME from `source`, pyproject.toml or a requirement on standard input ("-")."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-q", "--upgrade", *OPTIONS, *options]
    given = "setuptools>=77\n" if source == "-" else None
    subprocess.run(
        [*command, source, "-o", name], cwd=HERE, input=given, text=True, check=True, stdout=subprocess.DEVNULL
    )
    text = (HERE / name).read_text("utf-8")
    head = "# Locked by `make lock`; change pyproject.toml, not this file.\n"
    (HERE / name).write_text(head + text, "utf-8")


def main() -> None:
    lock("dev.txt", "../pyproject.toml", "--extra", "dev")
    # The smaller ones take their versions from the first, so that what runs is what was tested.
    lock("run.txt", "../pyproject.toml", "--constraint", "dev.txt")
    lock("build.txt", "-", "--constraint", "dev.txt")


if __name__ == "__main__":
    main()
