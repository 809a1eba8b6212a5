"""A definitions file as strict YAML in which every value knows its exact place.

Strict means: text keys only, no key twice, no yes/no/on/off, no anchors, aliases or tags, one document, bounded size
and depth. Nothing is converted: a scalar keeps its text, and the part of the file it was written as (`expression()`),
so that a place inside an expression is the place in the file, also within quotes and blocks.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

import yaml

from stream.errors import Place, Problem
from stream.rules.characters import open_brackets
from stream.rules.not_yaml import TAG_HINT, slip

MAX_FILE_BYTES = 1 << 20
"""No team writes a mebibyte of definitions by hand; what is larger is not a definitions file."""

MAX_DEPTH = 24
"""The format itself needs 6 levels; the rest is for nested properties in cases."""

_TRAPS = frozenset({"yes", "no", "on", "off"})
_BREAKS = re.compile(r"[ \t]*\n[ \t\n]*")
_SURROGATE = re.compile("[\ud800-\udfff]")  # by an escape; no such text can be written out, in a change or on a screen
_NOT_BLANK = re.compile(r"[^ \t]")
_NOT_TEXT_KEY = re.compile(r"[-+]?[0-9][0-9_.eE+-]*|true|false|null|~", re.IGNORECASE)
_ENDED_BY_COMMA = "inside { } a comma ends a text without quotes"
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "\\": "\\", "/": "/", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


class Source:
    """One file: its name, its text, and the place of every index in the text."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", self.text))]

    def place(self, index: int) -> Place:
        line = bisect_right(self._line_starts, index)
        return Place(self.file, line, index - self._line_starts[line - 1] + 1)


@dataclass(frozen=True, slots=True)
class Written:
    """A text with the index in the file of each of its characters (and of its end). `comments`: `#` begins one."""

    source: Source
    text: str
    indices: range | list[int]
    comments: bool
    cut_by_comment: bool  # a ` #` follows: YAML may have cut the text there

    def place(self, offset: int) -> Place:
        return self.source.place(self.indices[min(offset, len(self.indices) - 1)])


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, boolean or nothing: `value` is its text. `plain`: written without quotes."""

    source: Source = field(repr=False)
    value: str
    start: int
    end: int
    style: str | None
    in_flow: bool

    @property
    def place(self) -> Place:
        return self.source.place(self.start)

    @property
    def plain(self) -> bool:
        return self.style is None

    @property
    def is_empty(self) -> bool:
        return self.plain and self.value == ""

    def written(self) -> Written:
        """The text as it stands in the file, quotes and escapes undone."""
        text = self.source.text
        raw = text[self.start : self.end]
        if self.plain:
            cut = re.compile(r"[ \t]+#").match(text, self.end) is not None
            return Written(self.source, raw, range(self.start, self.end + 1), False, cut)
        if self.style in ("|", ">"):
            body = raw.find("\n") + 1 or len(raw)
            return Written(self.source, raw[body:], range(self.start + body, self.end + 1), True, False)
        characters: list[str] = []
        indices: list[int] = []
        for character, index in _unquoted(raw):
            characters.append(character)
            indices.append(self.start + index)
        indices.append(self.end - 1)
        return Written(self.source, "".join(characters), indices, False, False)


@dataclass(frozen=True, slots=True)
class Listing:
    """A YAML sequence."""

    place: Place
    items: list[Value]


@dataclass(frozen=True, slots=True)
class Entry:
    key: Scalar
    value: Value


@dataclass(frozen=True, slots=True)
class Mapping:
    """A YAML mapping: entries in file order, each key once."""

    place: Place
    entries: list[Entry]

    def get(self, name: str) -> Value | None:
        return next((entry.value for entry in self.entries if entry.key.value == name), None)


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands where a problem was already reported, so that it is not reported again."""

    place: Place


Value = Scalar | Listing | Mapping | Broken


def read_document(source: Source, problems: list[Problem]) -> Mapping | None:
    """The file's mapping; None when it can't be read at all. What is wrong goes to `problems`."""
    start = source.place(0)
    if len(source.text) > MAX_FILE_BYTES or len(source.text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        problems.append(Problem(start, "the file is too large", expected=f"at most {MAX_FILE_BYTES} bytes"))
        return None
    try:
        value = _Composer(source, problems).document()
    except _Unreadable as unreadable:
        problems.append(unreadable.problem)
        return None
    except yaml.MarkedYAMLError as error:
        found = slip(source.text, error)
        problems.append(Problem(source.place(found.index), "the file is not YAML", found.found, hint=found.hint))
        return None
    except yaml.reader.ReaderError as error:
        place = source.place(error.position)
        problems.append(Problem(place, "the file holds a character that is not text", f"U+{error.character:04X}"))
        return None
    except (ValueError, OverflowError):  # escapes such as \UFFFFFFFF reach chr() inside PyYAML
        problems.append(Problem(start, "the file is not YAML", found="an escape that is no character"))
        return None
    if isinstance(value, Mapping):
        return value
    if value is None:
        problems.append(Problem(start, "the file is empty", expected="a mapping that begins with `definitions: 1`"))
    elif not isinstance(value, Broken):
        problems.append(Problem(value.place, "the file is not a mapping", expected="`definitions: 1` and other keys"))
    return None


class _Unreadable(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


class _Composer:
    """Builds values from PyYAML's events: its own composer can't bound depth, and recurses without end."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self.source = source
        self.problems = problems
        self.events: Iterator[yaml.Event] = iter(yaml.parse(source.text, Loader=yaml.SafeLoader))

    def document(self) -> Value | None:
        value: Value | None = None
        documents = 0
        for event in self.events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            documents += 1
            if documents > 1:
                raise _Unreadable(Problem(self._place(event), "a second document begins here", expected="one per file"))
            value = self._value(next(self.events), 0, in_flow=False)
        return value

    def _place(self, event: yaml.Event) -> Place:
        return self.source.place(_start(event))

    def _value(self, event: yaml.Event, depth: int, in_flow: bool) -> Value:
        place = self._place(event)
        if depth > MAX_DEPTH:
            raise _Unreadable(Problem(place, "nested too deep", expected=f"at most {MAX_DEPTH} levels"))
        if isinstance(event, yaml.AliasEvent):
            self.problems.append(Problem(place, "aliases are not supported", f"*{event.anchor}", "the value itself"))
            return Broken(place)
        refused = self._refuses(event, place)
        value: Value
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, place, in_flow)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._listing(place, depth, in_flow or bool(event.flow_style))
        else:
            assert isinstance(event, yaml.MappingStartEvent)
            value = self._mapping(place, depth, in_flow or bool(event.flow_style))
        return Broken(place) if refused else value

    def _refuses(self, event: yaml.Event, place: Place) -> bool:
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            self.problems.append(Problem(place, "anchors are not supported", f"&{anchor}", "the value itself"))
        if tag is not None:
            hint = None if str(tag).startswith("tag:") else TAG_HINT
            self.problems.append(Problem(place, "tags are not supported", str(tag), "a value without a tag", hint))
        return anchor is not None or tag is not None

    def _scalar(self, event: yaml.ScalarEvent, place: Place, in_flow: bool) -> Value:
        style = event.style if event.style in ('"', "'", "|", ">") else None
        if style is None and event.value.lower() in _TRAPS:
            hint = f'"{event.value}" in quotes if the text is meant'
            message = "YAML readers disagree on this word"
            self.problems.append(Problem(place, message, event.value, "true or false", hint))
            return Broken(place)
        if _SURROGATE.search(event.value):
            hint = r"write the whole character, or its code as \U0001F600"
            self.problems.append(Problem(place, "this text holds half a character", ascii(event.value[:40]), hint=hint))
            return Broken(place)
        end = event.end_mark.index if event.end_mark is not None else _start(event)
        return Scalar(self.source, event.value, _start(event), end, style, in_flow)

    def _listing(self, place: Place, depth: int, in_flow: bool) -> Listing:
        items: list[Value] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1, in_flow))
        return Listing(place, items)

    def _mapping(self, place: Place, depth: int, in_flow: bool) -> Mapping:
        pairs: list[tuple[Value, Value]] = []
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._value(event, depth + 1, in_flow)
            pairs.append((key, self._value(next(self.events), depth + 1, in_flow)))
        if in_flow:
            pairs = self._without_torn(self._without_decimal_commas(pairs))
        entries: list[Entry] = []
        seen: dict[str, Place] = {}
        for found, value in pairs:
            key_scalar = self._key(found)
            if key_scalar is None:
                continue
            if key_scalar.value in seen:
                first = seen[key_scalar.value]
                self.problems.append(
                    Problem(found.place, "this key stands twice", key_scalar.value, hint=f"first at line {first.line}")
                )
                continue
            seen[key_scalar.value] = found.place
            entries.append(Entry(key_scalar, value))
        return Mapping(place, entries)

    def _key(self, key: Value) -> Scalar | None:
        if isinstance(key, Broken):
            return None
        if not isinstance(key, Scalar):
            self.problems.append(Problem(key.place, "a key must be a text", "a list or a mapping"))
            return None
        if key.is_empty or (key.plain and _NOT_TEXT_KEY.fullmatch(key.value)):
            hint = None if key.is_empty else f'put it in quotes: "{key.value}"'
            self.problems.append(Problem(key.place, "a key must be a text", key.value or "nothing", hint=hint))
            return None
        return key

    def _without_decimal_commas(self, pairs: list[tuple[Value, Value]]) -> list[tuple[Value, Value]]:
        """`{a: 5,00}` is `a: 5`, `00:` to YAML."""
        whole: list[tuple[Value, Value]] = []
        for key, value in pairs:
            is_bare = isinstance(value, Scalar) and value.is_empty
            if is_bare and whole and _is_integer(key) and _is_integer(whole[-1][1]):
                before, number = whole.pop()
                assert isinstance(number, Scalar)
                hint = "numbers are written without separators, with a decimal point: 1234.5"
                self.problems.append(Problem(number.place, _ENDED_BY_COMMA, f"{number.value},{key.value}", hint=hint))
                key, value = before, Broken(number.place)
            whole.append((key, value))
        return whole

    def _without_torn(self, pairs: list[tuple[Value, Value]]) -> list[tuple[Value, Value]]:
        """`{a: if(x, 1, 2)}` is `a: if(x`, `1:`, `2):` to YAML. Say so once, and drop the shreds."""
        whole: list[tuple[Value, Value]] = []
        torn_depth = 0
        for key, value in pairs:
            if torn_depth > 0 and isinstance(key, Scalar) and isinstance(value, Scalar) and value.is_empty:
                torn_depth += open_brackets(key.value)
                continue
            torn_depth = 0
            if isinstance(value, Scalar) and value.plain and open_brackets(value.value) > 0:
                torn_depth = open_brackets(value.value)
                hint = "put the whole expression in quotes, or write the mapping on lines of its own"
                self.problems.append(Problem(value.place, _ENDED_BY_COMMA, value.value, None, hint))
                value = Broken(value.place)
            whole.append((key, value))
        return whole


def _start(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark is not None else 0


def _is_integer(value: Value) -> TypeGuard[Scalar]:
    return isinstance(value, Scalar) and value.plain and re.fullmatch("[0-9]+", value.value) is not None


def _unquoted(raw: str) -> Iterator[tuple[str, int]]:
    """Characters of a quoted scalar with their index in `raw`; line breaks fold as YAML folds them."""
    double = raw[0] == '"'
    index, end = 1, len(raw) - 1
    while index < end:
        character = raw[index]
        if character in " \t\n":
            fold = _BREAKS.match(raw, index, end)
            if fold is None:  # blanks within a line: the whole run at once, else it is looked through for each of them
                run = end if (found := _NOT_BLANK.search(raw, index, end)) is None else found.start()
                yield from zip(raw[index:run], range(index, run))
                index = run
                continue
            breaks = fold.group().count("\n")
            for _ in range(max(1, breaks - 1)):
                yield (" " if breaks == 1 else "\n"), index
            index = fold.end()
        elif not double:
            yield character, index
            index += 2 if character == "'" else 1
        elif character == "\\":
            escape = raw[index + 1]
            digits = _ESCAPE_DIGITS.get(escape, 0)
            if escape == "\n":
                index = _BREAKS.match(raw, index + 1, end).end()  # type: ignore[union-attr]
                continue
            yield (chr(int(raw[index + 2 : index + 2 + digits], 16)) if digits else _ESCAPES.get(escape, escape)), index
            index += 2 + digits
        else:
            yield character, index
            index += 1
