"""The sections of all files of one set of definitions, merged: what stood where, before any of it is understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from zoneinfo import ZoneInfo, available_timezones

from stream.errors import Place
from stream.rules import fields
from stream.rules.document import Entry, Listing, Mapping, Scalar, Value
from stream.rules.names import HYPHENATED, MAX_LENGTH, legal_name, suggestion
from stream.rules.world import World

FORMAT = "1"
DEFAULT_NAME = "definitions"
ONCE = ("name", "revision", "zone", "too_old", "audience")
MOST_REVISION = 2**31 - 1
MERGED = ("events", "traits", "group", "facts", "dimensions", "segments")
KEYS = ("definitions", *ONCE, *MERGED, "cases")
_REVISION = re.compile(r"[0-9]{1,10}")
CONTINENTS = tuple(
    f"{each}/" for each in ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)
OTHER_KEYS = {"timezone": "zone", "time_zone": "zone", "tz": "zone", "tests": "cases"}
LATER = {"subject": "", "currency": "sum amounts of one currency only", "limits": ""}


@dataclass(slots=True)
class Sections:
    """`group` None: no file has the block. Entries keep the order of the files."""

    name: str = DEFAULT_NAME
    revision: int = 1
    zone_name: str = "UTC"
    accepts_too_old: bool = False
    audience: Value | None = None
    events: list[Entry] = field(default_factory=list)
    traits: list[Entry] = field(default_factory=list)
    group: list[Entry] | None = None
    facts: list[Entry] = field(default_factory=list)
    dimensions: list[Entry] = field(default_factory=list)
    segments: list[Entry] = field(default_factory=list)
    cases: list[Value] = field(default_factory=list)


def read_sections(world: World, documents: Sequence[Mapping]) -> Sections:
    """Merges the files; sets the world's zone."""
    sections = Sections()
    once: dict[str, Entry] = {}
    versions = 0
    for document in documents:
        fields.check_keys(world, document, KEYS, "a definitions file", LATER, OTHER_KEYS)
        for entry in document.entries:
            key = entry.key.value
            if key == "definitions":
                versions += 1
                _check_version(world, entry)
            elif key in ONCE:
                _take_once(world, once, entry)
            elif key in MERGED:
                _take_merged(world, sections, entry)
            elif key == "cases" and (cases := fields.listing(world, entry.value, "`cases`")) is not None:
                sections.cases.extend(cases.items)
    if documents and versions == 0:
        hint = "the version of the format stands first in the file"
        world.report(documents[0].place, "the format's version is missing", None, "`definitions: 1`", hint)
    _read_once(world, sections, once)
    return sections


def _check_version(world: World, entry: Entry) -> None:
    version = fields.text(world, entry.value, "`definitions`")
    if version is not None and version != FORMAT:
        world.report(entry.value.place, "this version of the format is not known", version[:60], FORMAT)


def _take_once(world: World, once: dict[str, Entry], entry: Entry) -> None:
    key = entry.key.value
    if key in once:
        hint = f"first at {once[key].key.place}"
        world.report(entry.key.place, f"`{key}` stands in two files", key, "once in all files", hint)
    else:
        once[key] = entry


def _take_merged(world: World, sections: Sections, entry: Entry) -> None:
    key = entry.key.value
    if key == "group" and sections.group is None:
        sections.group = []
    if isinstance(entry.value, Scalar) and entry.value.is_empty:
        return  # `facts:` with nothing below is an empty block
    hint = "each begins with its name and a colon, without a dash" if isinstance(entry.value, Listing) else None
    if (block := fields.mapping(world, entry.value, f"`{key}`", hint)) is not None:
        getattr(sections, key).extend(block.entries)


def _read_once(world: World, sections: Sections, once: dict[str, Entry]) -> None:
    if "name" in once and (name := fields.text(world, once["name"].value, "`name`")) is not None:
        if HYPHENATED.fullmatch(name) and len(name) <= MAX_LENGTH:
            sections.name = name
        else:
            expected = f"small letters, digits, - and _, a letter first, at most {MAX_LENGTH} characters"
            hint = legal_name(name, HYPHENATED)
            world.report(once["name"].value.place, "this name can't be used", name[:80], expected, hint)
    if "revision" in once:
        sections.revision = _revision(world, once["revision"].value)
    if "zone" in once and (zone := fields.text(world, once["zone"].value, "`zone`")) is not None:
        found = _zone(world, zone, once["zone"].value.place)
        if found is not None:
            sections.zone_name, world.zone = zone, found
    if "too_old" in once and (policy := fields.text(world, once["too_old"].value, "`too_old`")) is not None:
        if policy not in ("accept", "reject"):
            world.report(once["too_old"].value.place, "there is no such policy", policy[:60], "accept or reject")
        sections.accepts_too_old = policy == "accept"
    if "audience" in once:
        sections.audience = once["audience"].value


def _revision(world: World, value: Value) -> int:
    written = fields.text(world, value, "`revision`")
    if written is None:
        return 1
    if not _REVISION.fullmatch(written) or not 1 <= int(written) <= MOST_REVISION:
        hint = "it counts the files that were deployed: one more for each"
        world.report(value.place, "this is not a revision", written[:60], "a whole number from 1", hint)
        return 1
    return int(written)


def _zone(world: World, name: str, place: Place) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # not found; a path; a folder of zones
        world.report(place, "there is no such time zone", name[:60], "an IANA name such as Europe/Berlin", _place(name))
        return None


def _place(name: str) -> str:
    """A hint with the place that is meant. Zones such as EST are left out: they have no summer time."""
    places = [zone for zone in available_timezones() if zone.startswith(CONTINENTS)]
    named = [zone for zone in places if zone.lower().endswith(f"/{name.lower()}")]
    meant = f"did you mean `{named[0]}`?" if len(named) == 1 else suggestion(name, places)
    return meant or "write a place: Europe/Berlin, America/Los_Angeles; or UTC"


def is_empty_block(value: Value) -> bool:
    """`stages:` with nothing below."""
    return (isinstance(value, Scalar) and value.is_empty) or (isinstance(value, Listing) and not value.items)
