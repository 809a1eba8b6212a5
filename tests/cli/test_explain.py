from __future__ import annotations

from stream.cli.explain import describe
from stream.codec.inbound import decode
from stream.core.events import Event
from stream.core.profile import Profile
from stream.core.transition import Arrival, Wake, advance
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions
from tests.cli.commands import DAY_MS, SHOP, START_MS

PROGRAM = compile_program(load_definitions([SHOP]))


def profile_after(*payloads: bytes) -> Profile:
    """Each payload a day after the one before."""
    profile = Profile("kim", (0, 0), len(PROGRAM.definitions), PROGRAM.blank())
    for number, payload in enumerate(payloads):
        event = decode(b"kim", payload, None, START_MS + number * DAY_MS, number, START_MS + 400 * DAY_MS)
        assert isinstance(event, Event)
        advance(profile, Arrival(event, event.time_ms, False), PROGRAM)
    return profile


CONSENT = b'{"type":"identify","userId":"kim","traits":{"marketing_consent":true,"email":"kim@example.org"}}'
ORDER = b'{"type":"track","userId":"kim","event":"Order Completed","properties":{"revenue":250}}'


def test_stages_are_told_since_when_and_until_when_with_the_conditions_that_decided() -> None:
    lines = describe(profile_after(CONSENT, ORDER), PROGRAM)

    assert lines[0] == "kim  as of 2026-01-06T00:00:00.000Z, 6 changes so far"
    at = lines.index("lifecycle: new since 2026-01-06T00:00:00.000Z, until 2026-02-05T00:00:00.000Z if nothing happens")
    assert lines[at + 1] == "    holds: orders == 1  [1]  shop.yaml:26"
    assert "fact spend_365d = 250" in lines
    assert lines[-1] == "asked again at 2026-01-13T00:00:00.000Z"


def test_segments_say_in_or_not_in_and_why() -> None:
    profile = profile_after(CONSENT, ORDER)
    while profile.wake_ms <= START_MS + 181 * DAY_MS:
        advance(profile, Wake(profile.wake_ms, profile.wake_ms, False), PROGRAM)

    lines = describe(profile, PROGRAM)

    win_back = next(number for number, line in enumerate(lines) if line.startswith("win-back: in"))
    assert "since 2026-07-05T00:00:00.000Z" in lines[win_back]
    assert '    holds: lifecycle == "inactive"  ["inactive"]' in "\n".join(lines[win_back:])
    assert any(line.startswith("frequent-buyer: not in") for line in lines)


def test_no_line_shows_a_private_trait() -> None:
    assert "kim@example.org" not in "\n".join(describe(profile_after(CONSENT, ORDER), PROGRAM))
