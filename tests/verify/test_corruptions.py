"""The heart: a log in which one thing is wrong, for each law. `verify` must say so, by that law's name.

Each row takes a clean log of the real engine, damages it as little as the breach needs, and names what must be found.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stream.codec.journal import decode_journal
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from stream.verify.check import Options, check
from stream.verify.log import Record
from stream.verify.report import MEANING, Kind
from tests.engine.world import DAY
from tests.verify.worlds import NAMES, PROGRAM, SHOP, Copy, lived, log_of

HOUR = 3_600_000


@functools.cache
def clean() -> Any:
    """One log for all rows; `Copy` leaves it as it is. The input's timestamps are append times."""
    return log_of(asyncio.run(lived()), appended=True)


# -- finding one's way in a log


def value(record: Record) -> dict[str, Any]:
    return json.loads(record.value or b"{}")


def the(copy: Copy, topic: str, wanted: Callable[[dict[str, Any]], object], nth: int = 0) -> int:
    """Place of the nth record whose value is so."""
    places = [place for place, record in enumerate(copy[topic]) if record.value and wanted(value(record))]
    return places[nth]


def of_clock(change: dict[str, Any]) -> bool:
    return change["cause"]["kind"] == "clock"


def journal_of(copy: Copy, wanted: Callable[[Any], object]) -> int:
    return next(place for place, record in enumerate(copy["journal"]) if wanted(decode_journal(record.value or b"")))


def metas(copy: Copy) -> list[int]:
    return [place for place, record in enumerate(copy["state"]) if record.key == b"\x00meta"]


def states(copy: Copy) -> list[int]:
    return [place for place, record in enumerate(copy["state"]) if record.key[:1] != b"\x00" and record.value]


def drop(topic: str, place: int) -> Callable[[Copy], None]:
    return lambda copy: copy[topic].pop(place) and None


def double(topic: str, place: int) -> Callable[[Copy], None]:
    return lambda copy: copy[topic].insert(place, copy[topic][place])


def swap(topic: str, place: int) -> Callable[[Copy], None]:
    def edit(copy: Copy) -> None:
        records = copy[topic]
        records[place], records[place + 1] = records[place + 1], records[place]

    return edit


def insert(topic: str, place: int, record: Record) -> Callable[[Copy], None]:
    return lambda copy: copy[topic].insert(place, record)


def born_at(offset: Any) -> Callable[[Copy], None]:
    return lambda copy: copy.edit_json("changes", 5, lambda found: found["born"].update(offset=offset))


def set_json(topic: str, place: int, **fields: Any) -> Callable[[Copy], None]:
    return lambda copy: copy.edit_json(topic, place, lambda found: found.update(fields))


def journal(place: int, **fields: Any) -> Callable[[Copy], None]:
    return lambda copy: copy.edit_journal(place, lambda _: fields)


def counts(place: int, **fields: int) -> Callable[[Copy], None]:
    return lambda copy: copy.edit_journal(place, lambda found: {"counts": {**found.counts, **fields}})


def meta(copy: Copy, place: int, **fields: Any) -> None:
    copy.edit_meta(place, lambda _: fields)


# -- damage that needs a word


def a_commit_torn_apart(copy: Copy) -> None:
    """All a commit wrote is there but its change records."""
    commit = value(copy["changes"][10])["decided_at"]
    copy.topics["changes"] = [record for record in copy["changes"] if value(record)["decided_at"] != commit]


def a_commit_without_its_journal_record(copy: Copy) -> None:
    del copy["journal"][4]


def the_journals_tail_missing(copy: Copy) -> None:
    del copy["journal"][-1]


def a_commit_journaled_twice(copy: Copy) -> None:
    copy["journal"].insert(5, copy["journal"][4])


def a_zombies_commit(copy: Copy) -> None:
    """An owner that was long replaced commits the same offsets again."""
    place = journal_of(copy, lambda found: found.commit_number > 3 and found.to_offset > found.from_offset)
    copy["journal"].insert(place + 1, copy["journal"][place])
    copy.edit_journal(place + 1, lambda found: {"nonce": "zombie", "commit_number": found.commit_number + 1})


def a_hole_in_the_input_taken_in(copy: Copy) -> None:
    place = journal_of(copy, lambda found: found.from_offset > 3 and found.to_offset > found.from_offset)
    copy.edit_journal(place, lambda found: {"from_offset": found.from_offset + 1})


def an_event_swallowed(copy: Copy) -> None:
    """An input record lies within the offsets of a commit that says it received one less."""
    place = journal_of(copy, lambda found: found.counts["accepted"] > 1)
    found = decode_journal(copy["journal"][place].value or b"").counts
    counts(place, received=found["received"] - 1, accepted=found["accepted"] - 1)(copy)


def an_event_gone_from_the_input(copy: Copy) -> None:
    del copy["events"][3]


def a_lapse_out_of_nothing(copy: Copy) -> None:
    place = the(copy, "changes", of_clock)
    set_json("changes", place, decided_at="2026-02-20T03:04:05.678Z")(copy)


def a_wake_not_fired(copy: Copy) -> None:
    """The worker's clock passed a wake, and it says that it fired none."""
    place = journal_of(copy, lambda found: any(step[2] for step in found.steps))
    copy.edit_journal(place, lambda found: {"steps": [[offset, clock_ms, 0] for offset, clock_ms, _ in found.steps]})


def a_wake_too_many(copy: Copy) -> None:
    place = journal_of(copy, lambda found: any(step[2] for step in found.steps))
    copy.edit_journal(
        place, lambda found: {"steps": [[offset, clock_ms, fired + 1] for offset, clock_ms, fired in found.steps]}
    )


def a_cursor_past_wakes_that_stand(copy: Copy) -> None:
    copy.edit_journal(2, lambda found: {"wake_cursor_ms": found.clock_ms + 300 * DAY})


def a_clock_that_went_back(copy: Copy) -> None:
    copy.edit_journal(
        6, lambda found: {"steps": [[offset, clock_ms - 50 * DAY, fired] for offset, clock_ms, fired in found.steps]}
    )


def a_step_over_an_unread_record(copy: Copy) -> None:
    """A record had been appended before the instant that the clock took before it was read."""
    copy.edit("events", 10, timestamp_ms=copy["events"][10].timestamp_ms - 12 * HOUR)


def a_rejected_record_rewritten(copy: Copy) -> None:
    copy.edit("rejected", 0, value=b'{"bad":')


def a_rejected_record_without_the_senders_headers(copy: Copy) -> None:
    copy.edit("rejected", 0, headers=(copy["rejected"][0].headers or [])[1:])


def a_rejected_record_with_another_reason(copy: Copy) -> None:
    headers = [(k, b"too-deep" if k == "segmenter_reason" else v) for k, v in copy["rejected"][0].headers or []]
    copy.edit("rejected", 0, headers=headers)


def a_header_changed(copy: Copy) -> None:
    headers = [(k, b"false" if k == "ce_replayed" else v) for k, v in copy["changes"][0].headers or []]
    copy.edit("changes", 0, headers=[*headers, ("extra", b"1")])


def a_change_of_another_partitions_run(copy: Copy) -> None:
    copy.edit_json("changes", 5, lambda found: found.update(id="ffffffff" + found["id"][8:]))


def two_customers_born_of_one_record(copy: Copy) -> None:
    first, second = value(copy["changes"][0]), value(copy["changes"][1])
    assert first["customer_id"] != second["customer_id"]
    copy.edit_json("changes", 1, lambda found: found.update(id=first["id"], born=first["born"]))


def a_set_without_its_last_change(copy: Copy) -> None:
    place = the(copy, "changes", lambda found: found.get("change_set", {}).get("size") == 2, nth=1)
    del copy["changes"][place]


def a_change_from_where_the_customer_was_not(copy: Copy) -> None:
    place = the(copy, "changes", lambda found: found.get("from_stage") == "active")
    set_json("changes", place, from_stage="prospect")(copy)


def a_segment_entered_twice(copy: Copy) -> None:
    place = the(copy, "changes", lambda found: found.get("member") is False)
    set_json("changes", place, member=True)(copy)


def swap_within_a_commit(topic: str) -> Callable[[Copy], None]:
    def edit(copy: Copy) -> None:
        decided = [value(record)["decided_at"] for record in copy[topic]]
        place = next(at for at in range(len(decided) - 1) if decided[at] == decided[at + 1])
        swap(topic, place)(copy)

    return edit


def a_state_not_written(copy: Copy) -> None:
    del copy["state"][states(copy)[-1]]


def a_dirty_state_dropped_and_written_later(copy: Copy) -> None:
    """An early state is missing; the customer's later one is there."""
    key = copy["state"][states(copy)[0]].key
    assert sum(record.key == key for record in copy["state"]) > 1
    del copy["state"][states(copy)[0]]


def a_state_with_a_bit_flipped(copy: Copy) -> None:
    place = states(copy)[-1]
    found = copy["state"][place].value or b""
    copy.edit("state", place, value=found[:-1] + bytes([found[-1] ^ 1]))


def a_stale_state_written_last(copy: Copy) -> None:
    """A zombie puts a customer's former state over the newer one, before the last meta."""
    first = copy["state"][states(copy)[0]]
    copy["state"].insert(metas(copy)[-1], first)


def a_membership_that_lags(copy: Copy) -> None:
    last = copy["memberships"][-1]
    del copy["memberships"][-1]
    assert any(record.key == last.key for record in copy["memberships"])


def a_membership_never_written(copy: Copy) -> None:
    key = copy["memberships"][-1].key
    copy.topics["memberships"] = [record for record in copy["memberships"] if record.key != key]


def a_membership_left_after_erasure(copy: Copy) -> None:
    """The tombstone of an erased customer is missing, and nothing came after it."""
    place = next(place for place, record in enumerate(copy["memberships"]) if record.value is None)
    key = copy["memberships"][place].key
    copy.topics["memberships"] = [
        record for at, record in enumerate(copy["memberships"]) if at < place or record.key != key
    ]


def a_foreign_membership(copy: Copy) -> None:
    copy["memberships"].append(copy["memberships"][0]._replace(key=b"stranger", headers=[]))


def a_change_missing_on_the_extra_topic(copy: Copy) -> None:
    del copy["win-back"][0]


def a_held_out_customer_told_of(copy: Copy) -> None:
    held = the(copy, "changes", lambda found: found.get("segment") == "lost" and found["control"])
    copy["win-back"].append(copy["changes"][held]._replace(topic="win-back"))


def an_offset_committed_past_the_commit(copy: Copy) -> None:
    offset, text = copy.group[0]
    copy.group[0] = ((offset or 0) + 1, text)


def an_offset_committed_by_another(copy: Copy) -> None:
    offset, text = copy.group[0]
    copy.group[0] = (offset, text.replace("n1", "n2"))


def an_offset_of_the_commit_before(copy: Copy) -> None:
    number, _, nonce = copy.group[0][1].partition(":")
    copy.group[0] = (copy.group[0][0], f"{int(number) - 1}:{nonce}")


def offsets_deleted(copy: Copy) -> None:
    copy.group = {}


def everything_but_the_journal(copy: Copy) -> None:
    copy.topics["journal"] = []


FOREIGN = Record("changes", 0, 0, 0, b"stranger", b'{"type":"greeting"}', [])

CORRUPTIONS: list[tuple[str, Kind, Callable[[Copy], None]]] = [
    ("a change dropped", Kind.MISSING, drop("changes", 4)),
    ("the last change dropped", Kind.MISSING, drop("changes", -1)),
    ("a change dropped leaves a gap", Kind.SEQUENCE, drop("changes", 0)),
    ("a commit's changes dropped", Kind.MISSING, a_commit_torn_apart),
    ("a change doubled", Kind.DOUBLED, double("changes", 6)),
    ("a change doubled has a number twice", Kind.SEQUENCE, double("changes", 6)),
    ("two changes of a commit swapped", Kind.ORDER, swap_within_a_commit("changes")),
    ("a foreign record among the changes", Kind.UNEXPECTED, insert("changes", 7, FOREIGN)),
    ("a foreign record is no change", Kind.CHANGE_UNREADABLE, insert("changes", 7, FOREIGN)),
    ("a birth at no offset", Kind.CHANGE_UNREADABLE, born_at([1])),
    ("a birth beyond all offsets", Kind.CHANGE_UNREADABLE, born_at(2**63)),
    ("a change altered", Kind.ALTERED, set_json("changes", 3, valid_until="2030-01-01T00:00:00.000Z")),
    ("a change's headers altered", Kind.ALTERED, a_header_changed),
    ("a change's number altered", Kind.SEQUENCE, set_json("changes", 3, sequence=9)),
    ("a change's nth altered", Kind.NTH, set_json("changes", 3, nth=9)),
    ("a change of another run", Kind.ID, a_change_of_another_partitions_run),
    ("an id given twice", Kind.ID, two_customers_born_of_one_record),
    ("a key that is not the customer's", Kind.ID, lambda copy: copy.edit("changes", 2, key=b"c999")),
    ("a set not whole", Kind.CHANGE_SET, a_set_without_its_last_change),
    ("a change from elsewhere", Kind.ALTERNATION, a_change_from_where_the_customer_was_not),
    ("a segment entered twice", Kind.ALTERNATION, a_segment_entered_twice),
    ("a customer's time goes back", Kind.CUSTOMER_TIME,
     lambda copy: set_json("changes", the(copy, "changes", of_clock), effective_at="2020-01-01T00:00:00.000Z")(copy)),
    ("a lapse out of nothing", Kind.WAKE_GHOST, a_lapse_out_of_nothing),
    ("a wake not fired", Kind.WAKE_UNFIRED, a_wake_not_fired),
    ("a cursor past standing wakes", Kind.WAKE_UNFIRED, a_cursor_past_wakes_that_stand),
    ("a wake too many", Kind.MODEL_DIFFERS, a_wake_too_many),
    ("a clock step over an unread record", Kind.CLOCK_AHEAD, a_step_over_an_unread_record),
    ("a clock that goes back", Kind.CLOCK_BACK, a_clock_that_went_back),
    ("a clock that is not its last step's", Kind.CLOCK_BACK, journal(4, clock_ms=0)),
    ("a rejected record dropped", Kind.MISSING, drop("rejected", 1)),
    ("a rejected record doubled", Kind.DOUBLED, double("rejected", 1)),
    ("a rejected record rewritten", Kind.REJECTED_DIFFERS, a_rejected_record_rewritten),
    ("a rejected record's headers lost", Kind.REJECTED_DIFFERS, a_rejected_record_without_the_senders_headers),
    ("a rejected record's reason altered", Kind.REJECTED_DIFFERS, a_rejected_record_with_another_reason),
    ("a rejected offset not journaled", Kind.CONSERVATION,
     lambda copy: journal(journal_of(copy, lambda found: found.rejected), rejected=[])(copy)),
    ("another record rejected than journaled", Kind.MODEL_DIFFERS,
     lambda copy: journal(journal_of(copy, lambda found: found.rejected), rejected=[[11, "too-deep"]])(copy)),
    ("a state not written", Kind.MISSING, a_state_not_written),
    ("a state not written, digest of the whole", Kind.STATE_FOLD, a_state_not_written),
    ("a dirty state dropped", Kind.MISSING, a_dirty_state_dropped_and_written_later),
    ("a state altered", Kind.ALTERED, a_state_with_a_bit_flipped),
    ("a state altered, digest of the whole", Kind.STATE_FOLD, a_state_with_a_bit_flipped),
    ("a state doubled", Kind.DOUBLED, lambda copy: double("state", states(copy)[3])(copy)),
    ("a stale state written last", Kind.STATE_FOLD, a_stale_state_written_last),
    ("a meta altered", Kind.META, lambda copy: meta(copy, metas(copy)[2], members={"lost": 77})),
    ("the last meta altered", Kind.META, lambda copy: meta(copy, metas(copy)[-1], next_offset=1)),
    ("a meta dropped", Kind.MISSING, lambda copy: drop("state", metas(copy)[2])(copy)),
    ("the last meta dropped", Kind.META, lambda copy: drop("state", metas(copy)[-1])(copy)),
    ("a membership dropped", Kind.MISSING, drop("memberships", 3)),
    ("a membership that lags", Kind.MEMBERSHIP_FOLD, a_membership_that_lags),
    ("a membership never written", Kind.MEMBERSHIP_FOLD, a_membership_never_written),
    ("a membership left after erasure", Kind.MEMBERSHIP_FOLD, a_membership_left_after_erasure),
    ("a membership doubled", Kind.DOUBLED, double("memberships", 3)),
    ("a membership altered", Kind.ALTERED, set_json("memberships", 2, facts={"orders": 100})),
    ("a membership's stage altered", Kind.MEMBERSHIP_FOLD, set_json("memberships", -1, segments={})),
    ("a foreign membership", Kind.UNEXPECTED, a_foreign_membership),
    ("a foreign membership has no changes", Kind.MEMBERSHIP_FOLD, a_foreign_membership),
    ("a membership that is no JSON", Kind.CHANGE_UNREADABLE, lambda copy: copy.edit("memberships", -1, value=b"{")),
    ("a change missing on the extra topic", Kind.MISSING, a_change_missing_on_the_extra_topic),
    ("a held-out customer on the extra topic", Kind.UNEXPECTED, a_held_out_customer_told_of),
    ("the extra topic's changes swapped", Kind.ORDER, swap_within_a_commit("loyalty")),
    ("a journal record dropped", Kind.JOURNAL_CHAIN, a_commit_without_its_journal_record),
    ("the last journal record dropped", Kind.UNEXPECTED, the_journals_tail_missing),
    ("the last journal record dropped, offsets", Kind.COMMITTED_OFFSET, the_journals_tail_missing),
    ("a commit journaled twice", Kind.JOURNAL_CHAIN, a_commit_journaled_twice),
    ("a zombie's commit", Kind.INPUT_OVERLAP, a_zombies_commit),
    ("two journal records swapped", Kind.JOURNAL_CHAIN, swap("journal", 3)),
    ("a journal record altered", Kind.JOURNAL_CHAIN, journal(3, versions={"code": "other"})),
    ("a journal record unreadable", Kind.JOURNAL_UNREADABLE, lambda copy: copy.edit("journal", 2, value=b"{")),
    ("a journal record with a step that is none", Kind.JOURNAL_UNREADABLE,
     lambda copy: copy.edit_journal(5, lambda journal: {"steps": [["a"]]})),
    ("a journal of another run", Kind.RUN, journal(3, run_id="ffffffff")),
    ("a journal of another partition", Kind.RUN, journal(3, partition=1)),
    ("a journal of other definitions", Kind.DEFINITIONS, journal(3, definitions={"hash": "000000000000"})),
    ("an input range skipped", Kind.INPUT_GAP, a_hole_in_the_input_taken_in),
    ("an event swallowed", Kind.CONSERVATION, an_event_swallowed),
    ("an event gone from the input", Kind.CONSERVATION, an_event_gone_from_the_input),
    ("fates that don't add up", Kind.CONSERVATION, counts(1, accepted=0)),
    ("counts that are not the model's", Kind.MODEL_DIFFERS, counts(6, late=41)),
    ("a digest altered", Kind.DIGEST, journal(5, digest="0" * 32)),
    ("a number of customers altered", Kind.DIGEST, journal(5, keys=99)),
    ("an offset committed too far", Kind.COMMITTED_OFFSET, an_offset_committed_past_the_commit),
    ("an offset committed by another", Kind.COMMITTED_OFFSET, an_offset_committed_by_another),
    ("an older commit's offset", Kind.COMMITTED_OFFSET, an_offset_of_the_commit_before),
    ("no committed offset", Kind.COMMITTED_OFFSET, offsets_deleted),
    ("no journal at all", Kind.UNEXPECTED, everything_but_the_journal),
]  # fmt: skip


def test_the_log_that_is_damaged_below_is_clean_and_shows_every_kind_of_record():
    report = check(clean(), PROGRAM, NAMES)
    assert report.violations == [] and report.unchecked == []
    for topic in ("changes", "memberships", "rejected", "state", "win-back", "loyalty"):
        assert report.checked[f"records of {topic}, byte for byte"] == len(clean().topics[topic]) > 2
    kinds = {value(record)["cause"]["kind"] for record in clean().topics["changes"]}
    assert kinds == {"event", "clock", "erasure"}


@pytest.mark.parametrize(("kind", "damage"), [row[1:] for row in CORRUPTIONS], ids=[row[0] for row in CORRUPTIONS])
def test_a_log_with_one_thing_wrong_shows_it_by_the_name_of_its_law(kind, damage):
    copy = Copy(clean())
    damage(copy)
    report = check(copy.log_now(), PROGRAM, NAMES)
    assert str(kind) in map(str, report.found)


def test_other_definitions_than_the_workers_are_told_as_such_not_as_altered_changes():
    other = compile_program(parse_definitions([("shop.yaml", SHOP.replace("30d", "31d"))]))
    untold = Copy(clean())
    untold.edit_journal(0, lambda _: {"definitions_text": {}})  # as a release before this one wrote it
    report = check(untold.log_now(), other, NAMES)
    assert Kind.DEFINITIONS in report.kinds and Kind.ALTERED not in report.kinds
    assert any("other definitions" in why for why in report.unchecked)


def test_the_text_in_the_journal_counts_not_the_file_that_is_given():
    other = compile_program(parse_definitions([("shop.yaml", SHOP.replace("30d", "31d"))]))
    report = check(clean(), other, NAMES)
    assert report.clean and report.unchecked == []


def test_a_record_on_which_the_core_fails_is_told_with_its_place():
    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(PROGRAM, name)

        def fold(self, cells: Any, event: Any) -> bool:
            if event.offset == 9:
                raise ZeroDivisionError
            return PROGRAM.fold(cells, event)

    report = check(clean(), Failing(), NAMES)
    (failure,) = [found for found in report.violations if found.kind is Kind.MODEL_FAILED]
    assert failure.message == "ZeroDivisionError at the input record at offset 9"
    assert failure.records[-1].offset == 9


def test_a_worker_that_fires_before_the_grace_is_over_is_told_by_the_journal_alone():
    hasty = log_of(asyncio.run(lived(grace_ms=0)))
    assert Kind.WAKE_EARLY in check(hasty, PROGRAM, NAMES).kinds
    assert check(hasty, PROGRAM, NAMES, Options(grace_ms=0)).clean


def test_every_kind_of_violation_has_a_meaning_and_a_log_that_shows_it():
    shown = {kind for _, kind, _ in CORRUPTIONS} | {Kind.MODEL_FAILED, Kind.WAKE_EARLY}
    assert shown == set(Kind) == set(MEANING)


def test_no_message_holds_a_customers_data():
    for _, _, damage in CORRUPTIONS:
        copy = Copy(clean())
        damage(copy)
        for violation in check(copy.log_now(), PROGRAM, NAMES).violations:
            assert not any(f"c{number}" in violation.message.split() for number in range(10))
            assert replace(violation, records=(), expected=None).message
