"""`segmenter hold` and `release`: names that nobody has are refused before a broker is asked; what lifts a hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.cli.hold import command
from stream.cli.settings import operator
from tests.cli.commands import SHOP, run
from tests.cli.test_status import listening

GIVEN = ("-d", SHOP, "--name", "shop", "--broker", "127.0.0.1:1")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEGMENTER_CONFIG_FILE", "SEGMENTER_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("segment", "win-bak"), "did you mean `win-back`?"),
        (("segment",), "found no name behind it"),
        (("segment", "win-back", "--event", "Order Completed"), "expected with `clock` only"),
        (("clock", "--event", "Order Complete"), "did you mean `Order Completed`?"),
        (("clock", "win-back"), "expected none"),
        (("partition",), "found no name behind it"),
    ],
)
def test_what_can_not_be_held_is_refused_with_the_nearest(words: tuple[str, ...], told: str) -> None:
    result = run("hold", *words, *GIVEN)
    assert result.exit_code == 4
    assert told in result.stderr


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("clock", "segmenter release clock"),
        ("event/Order Completed", 'segmenter release clock --event "Order Completed"'),
        ("segment/win-back", "segmenter release segment win-back"),
        ("partition/3", "segmenter release partition 3"),
    ],
)
def test_each_hold_has_a_command_that_lifts_it(key: str, typed: str) -> None:
    assert command(key, None) == typed
    assert command(key, Path("my settings.yaml")) == f"{typed} --config 'my settings.yaml'"


def test_status_says_what_is_held_by_whom_why_and_how_to_lift_it() -> None:
    from stream.codec.control import Control

    with listening(0) as (url, it):
        it.worker.engine.outside.controls.write("clock", Control("ann", 1_767_225_600_000, "the tracker is broken"))
        it.worker.engine.holding.refresh()
        shown = run("status", "--url", url)
    assert "held: clock since 2026-01-01T00:00:00.000Z by ann: the tracker is broken" in shown.stdout
    assert "segmenter release clock" in shown.stdout


def test_who_types_without_a_login_is_known_by_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)

    assert operator() == "uid 4000000"
