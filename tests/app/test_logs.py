"""What a log line shows of an exception: its kind and places, never what it stumbled over."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from stream.app.tracebacks import places, summary
from stream.errors import StartRefused

CANARY = "canary-ada@example.com"


PROGRAM = f"""
import logging, sys, structlog
from stream.app.logs import set_up_logs
from stream.app.tracebacks import summary
set_up_logs("debug", sys.argv[1])

class Unprintable:
    def __repr__(self):
        raise RuntimeError(customer)

def stumble(customer):
    try:
        try:
            {{}}[customer]
        except KeyError:
            raise ValueError(customer) from RuntimeError(customer)
    except ValueError:
        raise AssertionError({{"email": customer}})

customer = "{CANARY}"
log = structlog.get_logger("stream")
try:
    stumble(customer)
except AssertionError as error:
    log.critical("worker_failed", error=summary(error), exc_info=error)
    log.error("again", exc_info=True)
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
    logging.getLogger("faust").exception("crashed")
log.error("a line that can't be written", what=Unprintable())
log.info("the last line")
"""
"""An error whose text, cause, context and local variables hold the customer, logged in every way."""


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_is_logged_with_its_kind_and_places_and_without_a_value(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True, timeout=60)

    assert CANARY not in done.stdout + done.stderr
    assert done.stderr.count("AssertionError") >= 4 and done.stderr.count("stumble") >= 4
    assert "the last line" in done.stderr and "a log line could not be written: RuntimeError" in done.stderr
    if form == "json":
        assert sum("exception" in json.loads(line) for line in done.stderr.splitlines() if line[0] == "{") == 4


@pytest.mark.parametrize("process", [None, 2])
def test_every_line_of_one_of_several_processes_tells_which_and_of_a_single_one_none_does(process: int | None) -> None:
    program = (
        "import logging, structlog; from stream.app.logs import set_up_logs\n"
        f"set_up_logs('info', 'json', process={process})\n"
        "structlog.get_logger('stream').info('ours'); logging.getLogger('elsewhere').warning('theirs')"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line.get("process")) for line in lines] == [("ours", process), ("theirs", process)]
    assert process or all("process" not in line for line in lines)


def test_the_whole_chain_is_told_by_kind_and_place_and_no_link_by_its_words() -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise RuntimeError(CANARY) from error
    except RuntimeError as error:
        told = places(error)

    assert told.splitlines()[0] == "RuntimeError" and "KeyError" in told
    assert "app/test_logs.py:" in told and CANARY not in told


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StartRefused("the input is compacted"), "StartRefused: the input is compacted"),
        (OSError(28, "No space left on device", f"/data/{CANARY}"), "OSError: No space left on device"),
        (ValueError(CANARY), "ValueError"),
    ],
)
def test_only_errors_made_for_the_reader_are_quoted(error: Exception, said: str) -> None:
    assert summary(error) == said


UNHEARD = """
import sys, structlog
from stream.app.logs import set_up_logs
from stream.app.worker import die
set_up_logs("info", "json")
structlog.get_logger().info("nobody reads this")
print("goes on", flush=True)
die(RuntimeError("the end"))
"""


def test_a_log_that_can_not_be_written_neither_stops_the_work_nor_keeps_a_failed_worker_alive() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", UNHEARD], stdout=subprocess.PIPE, stderr=full, text=True, check=False, timeout=60
        )

    assert (done.stdout, done.returncode) == ("goes on\n", 1)


def test_what_ends_a_worker_for_a_reason_it_knows_is_a_line_like_all_others_where_nobody_watches() -> None:
    known = UNHEARD.replace('die(RuntimeError("the end"))', """
from stream.errors import StartRefused
die(StartRefused("partition 3: found nothing. Try: begin anew"))""")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", known], capture_output=True, text=True, check=False, timeout=60)

    line = json.loads(done.stderr.splitlines()[-1])
    assert (line["event"], line["level"], done.returncode) == ("worker_failed", "critical", 5)
    assert line["error"] == "partition 3: found nothing. Try: begin anew"
