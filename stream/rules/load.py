"""Reading definitions: from files, or from texts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stream.errors import DefinitionErrors, Place, Problem
from stream.rules.check import check
from stream.rules.document import MAX_FILE_BYTES, Source, read_document
from stream.rules.problems import EnoughProblems, Problems
from stream.rules.tree import Definitions
from stream.rules.world import World

MAX_FILES = 200

MAX_TOTAL_BYTES = 2 << 20
"""Of all files together. YAML is read in Python: this much takes some ten seconds."""


def load_definitions(paths: Sequence[Path]) -> Definitions:
    """The definitions of files, or of folders of *.yaml and *.yml files, merged.

    Raises DefinitionErrors with all problems of all files.
    """
    problems = Problems()
    with suppress(EnoughProblems):
        sources = [(str(file), text) for file in _files(paths, problems) if (text := _read(file, problems)) is not None]
        if not problems:
            return parse_definitions(sources)
        for name, text in sources:  # what they refer to may stand in the file that is missing: only their YAML
            read_document(Source(name, text), problems)
    raise DefinitionErrors(problems)


def parse_definitions(sources: Sequence[tuple[str, str]]) -> Definitions:
    """The definitions of (file name, text) pairs, merged. Pure. Raises DefinitionErrors with all problems of all."""
    problems = Problems()
    try:
        return _parse(sources, problems)
    except EnoughProblems:
        raise DefinitionErrors(problems) from None


def _parse(sources: Sequence[tuple[str, str]], problems: Problems) -> Definitions:
    if sum(len(text) for _, text in sources) > MAX_TOTAL_BYTES:
        place = Place(sources[-1][0], 1, 1)
        problems.append(Problem(place, "the files together are too large", None, f"at most {MAX_TOTAL_BYTES} bytes"))
        raise DefinitionErrors(problems)
    documents = [read_document(Source(file, text), problems) for file, text in sources]
    readable = [document for document in documents if document is not None]
    if not documents:
        problems.append(Problem(Place("-", 1, 1), "there are no definitions", None, "a file or a folder of *.yaml"))
    if len(readable) < len(documents) or not documents:
        raise DefinitionErrors(problems)  # names of the unreadable file would all be missed: no noise
    world = World(problems=problems)
    definitions = check(world, readable, tuple((file, text) for file, text in sources))
    if problems:
        raise DefinitionErrors(list(dict.fromkeys(problems)))
    return definitions


def _files(paths: Sequence[Path], problems: list[Problem]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        try:
            if not path.is_dir():
                files.append(path)
                continue
            found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())
        except OSError as error:
            problems.append(Problem(Place(str(path), 1, 1), "it can't be read", error.strerror))
            continue
        if not found:
            problems.append(Problem(Place(str(path), 1, 1), "the folder holds no definitions", None, "*.yaml or *.yml"))
        files.extend(found)
    if len(files) > MAX_FILES:
        place = Place(str(files[MAX_FILES]), 1, 1)
        problems.append(Problem(place, "there are too many files", str(len(files)), f"at most {MAX_FILES}"))
    return list(dict.fromkeys(files))[:MAX_FILES]


def _read(file: Path, problems: list[Problem]) -> str | None:
    place = Place(str(file), 1, 1)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        problems.append(Problem(place, "the file can't be read", error.strerror, hint="is the path right?"))
        return None
    if len(content) > MAX_FILE_BYTES:
        problems.append(Problem(place, "the file is too large", expected=f"at most {MAX_FILE_BYTES} bytes"))
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        problems.append(
            Problem(Place(str(file), line, column), "the file is not UTF-8", f"0x{content[error.start]:02x}")
        )
        return None
