"""The revisions of the definitions that one partition has customers of: which there are, whether this worker may go on
with them, what a commit writes of them.

The texts stand among the processor's own records of the state (`codec.definitions`). The first commit under a revision
writes its text; the commit that carries the last customer over from a revision takes that one's text out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream.codec.definitions import (
    DefinitionsText,
    definitions_key,
    encode_definitions,
    is_definitions,
    stored_definitions,
)
from stream.codec.journal import Meta
from stream.codec.levels import FORMER_LEVEL, UPGRADE
from stream.core.coverage import kept_since, warming_until
from stream.core.events import NEVER_MS
from stream.core.migration import Earlier, Following, Migration
from stream.core.partition import Pending
from stream.core.program import Definition, Program
from stream.errors import StartRefused, UnreadableState
from stream.rules.stored import stored_program

Reserved = list[tuple[bytes, bytes | None]]
"""The processor's own records of the state, by key; None: taken out."""


@dataclass(frozen=True, slots=True)
class Revised:
    """What a commit makes of the revisions. `written`: of the definitions it is the first under."""

    program: dict[str, Any]
    earlier: dict[str, int]
    written: DefinitionsText | None
    records: Reserved
    stays: str | None = None

    def sweep_after(self, visited: str) -> str:
        """Where the sweep stands, if it has come to `visited`: nowhere, once nobody is left to be carried over; where
        it stood, in a commit that is still the former revision's (`stays`)."""
        if self.stays is not None:
            return self.stays
        return visited if self.earlier else ""


def left_over(meta: Meta, reserved: Mapping[bytes, bytes]) -> bool:
    """Whether there is a text that the state had no longer at this commit: a copy that was away for longer than the
    changelog keeps tombstones does not hear that it was taken out."""
    known = {definitions_key(int(revision)) for revision in (meta.program["version"], *meta.earlier)}
    return any(is_definitions(key) and key not in known for key in reserved)


def check_named(program: Program, meta: Meta) -> None:
    """The part of `check_revision` that `meta` alone can tell. Raises StartRefused."""
    former, version = meta.program, program.version
    if meta.commit_number == 0:
        return
    if former["version"] > version:
        raise StartRefused(
            f"the state was written under revision {former['version']} of the definitions (hash {former['hash']}), "
            f"this worker has revision {version} (hash {program.hash}): deploy revision {former['version']} or later. "
            "To go back to an earlier text, give it a higher `revision`."
        )
    if former["version"] == version and former["hash"] != program.hash:
        raise StartRefused(
            f"the definitions have changed since this state was written ({former['hash']} -> {program.hash}), and both "
            f"say revision {version}: raise `revision` to {version + 1} in the new file; `segmenter plan OLD NEW` says "
            "beforehand who will move"
        )
    if former["version"] != version and meta.level == FORMER_LEVEL:
        raise StartRefused(
            f"the state is at format level {FORMER_LEVEL}, which knows one revision of the definitions only, and this "
            f"worker has revision {version}: start with revision {former['version']} (hash {former['hash']}), run "
            f"{UPGRADE}, then deploy revision {version}"
        )


def check_revision(program: Program, meta: Meta, reserved: Mapping[bytes, bytes]) -> None:
    """Raises StartRefused when this worker's definitions can't go on from those of the partition's last commit."""
    check_named(program, meta)
    former, version = meta.program, program.version
    if meta.commit_number == 0:
        return
    try:
        stored = stored_definitions(reserved)
        needed = {int(revision) for revision in meta.earlier}
        if version > former["version"] and meta.keys > sum(meta.earlier.values()):
            needed.add(former["version"])
        for revision in sorted(needed):
            if revision not in stored:
                raise StartRefused(
                    f"the state has customers of revision {revision} of the definitions, but not its text, so they "
                    f"can't be carried over to revision {version}: it was written by an earlier release. Start this "
                    f"release once with the former file (hash {former['hash']}), until it has committed; then deploy "
                    "the new one."
                )
            _program_of(stored[revision])
        mine = stored.get(version)
    except UnreadableState as error:
        raise StartRefused(str(error)) from None
    if mine is not None and mine.layout != program.fingerprint:
        raise StartRefused(
            "this release of segmenter lays out what it keeps of customers otherwise than the one that wrote the state "
            f"(found {mine.layout}, expected {program.fingerprint}): start that release, or begin anew under another "
            "`name` and `output_prefix`"
        )


class Revisions:
    """Of one live partition. `migration` is handed to the core."""

    def __init__(self, program: Program, meta: Meta, reserved: Mapping[bytes, bytes], following: Following) -> None:
        self._program = program
        self._meta = meta
        self._stored = stored_definitions(reserved)
        self._begun: DefinitionsText | None = None  # by what is not committed yet
        self._not_before_ms = NEVER_MS
        self._warming: tuple[Mapping[str, int], dict[str, int]] | None = None  # of `kept`, since it is dear to reckon
        self.migration = Migration(program, self._earlier, following)
        if not self.is_beginning:
            own = self._stored.get(program.version)
            self.migration.began_ms = NEVER_MS if own is None else own.began_ms

    @property
    def is_beginning(self) -> bool:
        """Whether nothing was committed under the program's revision yet."""
        return bool(self._meta.program["version"] != self._program.version)

    def remaining(self, pending: Pending) -> int:
        """How many customers are still of an earlier revision, now."""
        return sum(self.counts().values()) - sum(pending.left.values())

    def not_before(self, instant_ms: int) -> None:
        """The partition is ours from this instant on: all that was taken in under the former revision happened before,
        however far its clock has come."""
        self._not_before_ms = instant_ms

    def begin(self, instant_ms: int) -> None:
        """Something is about to be taken in, at this instant (a batch's read time, a step's clock; NEVER_MS for what
        waited)."""
        if self._begun is None and self.is_beginning:
            began_ms = max(instant_ms, self._meta.clock_ms, self._not_before_ms)
            former = self._stored.get(self._meta.program["version"])
            kept = {} if former is None else kept_since(_program_of(former), former.kept, self._program, began_ms)
            self._begun = self._text(began_ms, kept)
            self.migration.began_ms = began_ms

    def definitions(self, revision: int) -> tuple[Definition, ...]:
        return self.program(revision).definitions

    def program(self, revision: int) -> Program:
        """Of a revision that the partition has customers of, or had before what is pending."""
        return self._program if revision == self._program.version else _program_of(self._stored[revision])

    def kept(self) -> Mapping[str, int]:
        """Since when cells are kept that are not kept since ever (`core.coverage`)."""
        text = self._begun or self._stored.get(self._program.version)
        return {} if text is None else text.kept

    def warming(self, clock_ms: int) -> dict[str, int]:
        """The definitions that are undecided for some customer of before, each until when at latest (ms)."""
        kept = self.kept()
        if not kept:
            return {}
        if self._warming is None or self._warming[0] is not kept:
            definitions = enumerate(self._program.definitions)
            self._warming = kept, {each.name: warming_until(self._program, kept, at) for at, each in definitions}
        return {name: until_ms for name, until_ms in self._warming[1].items() if until_ms > clock_ms}

    def revised(self, pending: Pending, level: int) -> Revised:
        """What the next commit must say, at that format level. Changes nothing."""
        program = self._program
        if self.is_beginning and self._begun is None:  # the clock's probe: nothing is of the new revision yet
            return Revised(self._meta.program, self._meta.earlier, None, [], self._meta.sweep_after)
        counts = self.counts()
        for revision, left in pending.left.items():
            counts[revision] = counts.get(revision, 0) - left
        earlier = {revision: count for revision, count in sorted(counts.items()) if count}
        written = None if level == FORMER_LEVEL else self._unwritten()
        records: Reserved = []
        if written is not None:
            records.append((definitions_key(written.revision), encode_definitions(written)))
        gone = (revision for revision in sorted(self._stored) if revision not in (*earlier, program.version))
        records += [(definitions_key(revision), None) for revision in gone]
        named = {"name": program.name, "version": program.version, "hash": program.hash}
        return Revised(named, {str(revision): count for revision, count in earlier.items()}, written, records)

    def committed(self, meta: Meta, revised: Revised) -> None:
        self._meta, self._begun = meta, None
        if revised.written is not None:
            self._stored[revised.written.revision] = revised.written
        kept = {self._program.version, meta.program["version"], *(int(revision) for revision in revised.earlier)}
        self._stored = {revision: text for revision, text in self._stored.items() if revision in kept}

    def aborted(self) -> None:
        self._begun = None

    def counts(self) -> dict[int, int]:
        """Customers of earlier revisions, by revision, as of the last commit."""
        counts = {int(revision): count for revision, count in self._meta.earlier.items()}
        rest = self._meta.keys - sum(counts.values())
        if self.is_beginning and rest:
            counts[self._meta.program["version"]] = rest
        return counts

    def _unwritten(self) -> DefinitionsText | None:
        """The program's text, if the state has it not, or not so: a comment moves the lines that reasons name."""
        if self._begun is not None:
            return self._begun
        own = self._stored.get(self._program.version)
        if own is None:
            return self._text(NEVER_MS, {})
        return None if own.files == self._program.files else self._text(own.began_ms, own.kept)

    def _text(self, began_ms: int, kept: dict[str, int]) -> DefinitionsText:
        program = self._program
        return DefinitionsText(program.version, program.hash, program.fingerprint, began_ms, kept, program.files)

    def _earlier(self, revision: int) -> Earlier:
        text = self._stored[revision]
        return Earlier(_program_of(text), text.kept)


def _program_of(text: DefinitionsText) -> Program:
    return stored_program(text.files, text.hash, text.layout)
