"""What the rivals need to run, made on demand under `.rivals/` of the checkout: jars, classes, Python environments.

Each is named by a hash of what it is made from, so that a changed pom, class or lock makes a new one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MADE = ROOT / ".rivals"
KINDS = {".py", ".lark", ".json", ".yaml"}
"""Of the files of our own package; others it does not need to run."""
WORK = HERE / "java" / "Work.java"


class BuildFailed(Exception):
    """A rival could not be made ready; the message holds what the tools printed."""


def class_path(rival: str) -> str:
    """Of the Java rival whose pom and class stand in that folder. Fetches the jars and compiles the first time."""
    folder = HERE / rival
    sources = [WORK, *sorted(folder.glob("*.java"))]

    def make(place: Path) -> None:
        pom, jars = str(folder / "pom.xml"), place / "jars"
        _run("mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime",
             f"-DoutputDirectory={jars}")  # fmt: skip
        _run(
            "javac", "-nowarn", "--release", "17", "-d", str(place / "classes"), "-cp", f"{jars}/*", *map(str, sources)
        )

    made = _made(rival, [folder / "pom.xml", *sources], make)
    return f"{made}/classes:{made}/jars/*"


def python(name: str, lock: Path) -> str:
    """The interpreter of an environment with what `lock` holds, hashes checked."""

    def make(place: Path) -> None:
        _run(sys.executable, "-m", "venv", str(place))
        _run(str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
             "--require-hashes", "-r", str(lock))  # fmt: skip

    return str(_made(name, [lock], make) / "bin" / "python")


def compiled() -> Path:
    """The folder of our own package with its files compiled (setup.py), to be put on the path of Python."""
    lock = ROOT / "requirements" / "compile.txt"
    project = [ROOT / "setup.py", ROOT / "pyproject.toml", lock]
    package = sorted(path for path in (ROOT / "stream").rglob("*") if path.is_file() and path.suffix in KINDS)

    def make(place: Path) -> None:
        for source in [*project, *package]:
            copy = place / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        (place / "README.md").touch()  # pyproject.toml names it
        _run(python("cython", lock), "setup.py", "-q", "build_ext", "--inplace", "--parallel", "2", at=place,
             SEGMENTER_COMPILED="1")  # fmt: skip

    return _made("segmenter", [*project, *package], make)


def _made(name: str, sources: Sequence[Path], make: Callable[[Path], None]) -> Path:
    """The folder, complete: a half-made one has no mark and is made again."""
    content = b"".join(source.read_bytes() for source in sources) + sys.version.encode()
    place = MADE / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    mark = place / ".complete"
    if not mark.exists():
        print(f"making {place.relative_to(ROOT)}", file=sys.stderr, flush=True)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        make(place)
        mark.touch()
    return place


def _run(*command: str, at: Path | None = None, **variables: str) -> None:
    """In the folder `at`, or in one of its own: an environment's own path must not be looked into."""
    if shutil.which(command[0]) is None:
        raise BuildFailed(f"not found: {command[0]}; the Java rivals need a JDK (17 or later) and Maven")
    environment = {**os.environ, **variables}
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            command, cwd=at or directory, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise BuildFailed(
            f"{' '.join(command[:4])} ... ended with {done.returncode}:\n{done.stdout}{done.stderr}"[-4000:]
        )
