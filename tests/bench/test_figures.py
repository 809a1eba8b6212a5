"""How the benchmark comes from what it saw to what it says."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from threading import Event, Thread

import pytest

from bench.load import EVENT_BYTES, Shoppers, events
from bench.profiling import parse
from bench.reader import latencies_ms, pairs, summary
from bench.sampling import Commits, Sample, commits_in, middle, rss_bytes, tree, whole
from bench.warming import compiler_seconds
from bench.watching import commit_figures


def sample(time_s: float, committed: int, worker_cpu_s: float = 0.0) -> Sample:
    return Sample(time_s, committed, worker_cpu_s, 0.0, 0.0)


def test_the_middle_part_is_cut_between_samples() -> None:
    samples = [sample(0, 0), sample(10, 0), sample(20, 1000, 5.0)]

    part = middle(samples, base=0, target=1000)

    assert (part.events, part.seconds) == (800, pytest.approx(8.0))
    assert part.worker_cpu_s == pytest.approx(4.0)
    assert part.events_per_s == pytest.approx(100.0)


def test_events_before_the_base_do_not_count() -> None:
    samples = [sample(0, 500), sample(1, 500), sample(11, 1500)]

    assert middle(samples, base=500, target=1500).events_per_s == pytest.approx(100.0)


def test_the_whole_begins_when_the_first_commit_is_near() -> None:
    samples = [sample(0, 0), sample(5, 0), sample(6, 100), sample(7, 200)]

    assert whole(samples).events_per_s == 100.0


def test_latencies_are_those_of_event_caused_changes_after_the_first_seconds() -> None:
    def change(kind: str, second: int) -> bytes:
        return b'{"cause":{"kind":"%s","%s":"1970-01-01T00:00:%02d.000Z"}}' % (
            kind.encode(),
            b"event_time" if kind == "event" else b"due_at",
            second,
        )

    seen = [
        (10_500_000_000, change("event", 10)),
        (13_250_000_000, change("event", 13)),
        (14_100_000_000, change("event", 14)),
        (20_000_000_000, change("clock", 14)),
    ]

    found = pairs(seen)
    latencies = latencies_ms(found["event"], skip_ms=3000)

    assert found["clock"] == [(14_000, 6_000.0)]
    assert latencies == [100.0, 250.0]
    assert summary(latencies)["max_ms"] == 250.0


def test_no_change_gives_no_quantiles() -> None:
    assert summary([]) == {"changes": 0}


def test_a_profile_sums_own_time_by_function_and_leaves_out_waiting_threads() -> None:
    raw = (
        "thread (0x1): MainThread;main (a.py:1);fold (b.py:2) 3\n"
        "thread (0x2): commit_0;run (c.py:5);fold (b.py:2) 2\n"
        "thread (0x2): commit_0;_worker (concurrent/futures/thread.py:69) 90\n"
    )

    profile = parse(raw)

    assert profile.own == {"fold (b.py:2)": 5}
    assert profile.threads == {"MainThread": 3, "commit_0": 2}


def test_the_load_is_the_same_each_time_and_every_event_has_its_size() -> None:
    first, second = (list(events(300, Shoppers(7), 1_700_000_000_000, 1.0, 1, True)) for _ in range(2))

    assert first == second
    assert {len(value) for _, _, value in first} == {EVENT_BYTES}
    assert len({customer_id for customer_id, _, _ in first[:7]}) == 7


# -- a worker of several processes

METRICS = """
segmenter_commit_duration_seconds_count {count}
segmenter_commit_duration_seconds_sum {seconds}
segmenter_commit_phase_seconds_sum{{phase="send"}} {send}
"""


def test_commits_of_several_processes_are_counted_together() -> None:
    text = METRICS.format(count=10.0, seconds=1.5, send=0.5) + METRICS.format(count=30.0, seconds=2.5, send=1.0)

    found = commits_in(text)

    assert found is not None
    assert (found.count, found.seconds, found.phases, found.processes) == (40.0, 4.0, {"send": 1.5}, 2)
    assert commits_in("") is None


def test_how_often_a_commit_comes_and_what_it_takes_is_told_of_a_process() -> None:
    figures = commit_figures(Commits(0, 0.0, {}, 2), Commits(40, 4.0, {"send": 2.0}, 2), seconds=5.0)

    assert (figures["commits"], figures["commit_every_ms"], figures["commit_mean_ms"]) == (40, 250.0, 100.0)
    assert (figures["commit_share"], figures["commit_send_mean_ms"]) == (0.4, 50.0)


def test_a_process_is_looked_at_with_all_that_are_below_it() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the grandchild is there

        found = tree(process.pid)

        assert len(found) == 2 and found[0] == process.pid
        assert set(found) < set(tree(os.getpid()))
        assert rss_bytes(process.pid) > rss_bytes(found[1]) > 0
        process.communicate("")
    assert rss_bytes(process.pid) == 0


def test_of_a_process_only_threads_that_compile_java_count_as_compilers() -> None:
    end = Event()  # of all: a thread that has ended stays in /proc for a moment, with what it took

    def work_as(name: str, worked: Event) -> None:
        ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME
        while time.thread_time() < 0.1:
            pass
        worked.set()
        end.wait()

    threads, told = [], [compiler_seconds(os.getpid())]
    for name in ("C2 CompilerThre", "C1 CompilerThre", "data-plane-kafk"):
        worked = Event()
        threads.append(Thread(target=work_as, args=(name, worked)))
        threads[-1].start()
        worked.wait()
        told.append(compiler_seconds(os.getpid()))
    end.set()
    for thread in threads:
        thread.join()

    nothing, by_c2, by_both, at_last = told
    assert nothing == 0.0 and by_c2 >= 0.05 and by_both >= by_c2 + 0.05
    assert at_last < by_both + 0.05
