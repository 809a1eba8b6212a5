"""The definitions as the journal tells them: which text each revision had, and the programs of those texts."""

from __future__ import annotations

from collections.abc import Iterable

from stream.codec.definitions import DefinitionsText, read_definitions
from stream.codec.journal import JournalRecord, decode_journal
from stream.core.coverage import kept_since
from stream.core.events import NEVER_MS
from stream.core.migration import Earlier
from stream.core.program import Program
from stream.errors import UnreadableState
from stream.rules.stored import stored_program
from stream.verify.log import Record


def first_program(given: Program, records: Iterable[Record]) -> Program:
    """The program to begin a partition's journal with. Commits at format level 1 tell no text; theirs comes with the
    commit that raises the level, so that a file of a later revision will do. Else `given`."""
    named: dict[str, object] | None = None
    for record in records:
        try:
            journal = decode_journal(record.value or b"")
            if named is None:
                named = journal.definitions
                if named.get("hash") == given.hash:
                    return given
            if journal.definitions_text:
                told = read_definitions(journal.definitions_text)
                known = (told.revision, told.hash) == (named.get("version"), named.get("hash"))
                return stored_program(told.files, told.hash, told.layout) if known else given
        except UnreadableState:
            return given  # the run itself tells what is wrong
    return given


class Revisions:
    """Of one partition. `given`: the program of the file, for what was written before texts were journaled."""

    def __init__(self, given: Program) -> None:
        self._given = given
        self._earlier: dict[int, Earlier] = {}
        self.current = given
        self.texts: dict[int, DefinitionsText] = {}

    def take(self, journal: JournalRecord) -> DefinitionsText | None:
        """The text that comes with a commit, if one does: its program is the current one from there on, and stands in
        the journal's own words but for since when cells are kept, which follows from the revision before. Raises
        UnreadableState."""
        if not journal.definitions_text:
            return None
        told = read_definitions(journal.definitions_text)
        if (told.revision, told.hash) != (journal.definitions.get("version"), journal.definitions.get("hash")):
            raise UnreadableState("the text of the definitions is not that of the revision the record names")
        program = self._program(told)
        former = self._earlier.get(self.current.version)
        if told.revision in self._earlier:
            kept = dict(self._earlier[told.revision].kept)
        elif former is not None and told.began_ms != NEVER_MS:
            kept = kept_since(former.program, former.kept, program, told.began_ms)
        else:
            kept = {}
        text = DefinitionsText(told.revision, program.hash, program.fingerprint, told.began_ms, kept, told.files)
        self._earlier[text.revision] = Earlier(program, kept)
        self.texts[text.revision] = text
        self.current = program
        return text

    def earlier(self, revision: int) -> Earlier:
        if revision not in self._earlier and revision == self._given.version:
            return Earlier(self._given, {})
        return self._earlier[revision]

    def program(self, revision: int) -> Program:
        return self.current if revision == self.current.version else self.earlier(revision).program

    def _program(self, text: DefinitionsText) -> Program:
        given = self._given
        if (given.version, given.hash, given.fingerprint, given.files) == (
            text.revision, text.hash, text.layout, text.files,
        ):  # fmt: skip
            return given
        return stored_program(text.files, text.hash, text.layout)
