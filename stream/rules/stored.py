"""Programs of definitions that were deployed before, from the text that was kept of them."""

from __future__ import annotations

from functools import lru_cache

from stream.errors import DefinitionErrors, UnreadableState
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import parse_definitions

PROGRAMS = 16
"""Compiled ones that are kept: partitions share the few revisions there are at a time."""


@lru_cache(maxsize=PROGRAMS)
def stored_program(files: tuple[tuple[str, str], ...], hash_: str, layout: str) -> CompiledProgram:
    """The program of a text that a worker once ran. Raises UnreadableState when this release reads it otherwise."""
    try:
        program = compile_program(parse_definitions(files))
    except DefinitionErrors as errors:
        raise UnreadableState(
            f"definitions deployed before ({hash_}) are not valid for this release of segmenter: {errors}. Start the "
            "release that wrote the state until all customers are carried over, then this one."
        ) from None
    if program.hash != hash_:
        raise UnreadableState(_other(f"the definitions deployed before as {hash_}", f"hash {program.hash}"))
    if program.fingerprint != layout:
        raise UnreadableState(_other(f"the cells of definitions {hash_}, laid out as {layout},", program.fingerprint))
    return program


def _other(what: str, found: str) -> str:
    return (
        f"{what} are read otherwise by this release of segmenter: found {found}. Start the release that wrote the "
        "state, or begin anew under another `name` and `output_prefix`."
    )
