"""Blocking calls of the code under test, suspended and resumed by the world.

A strand is a thread that runs only while the world waits for it, so there is one thread of control at any time and the
order of everything is the world's. 12 us for there and back on one core.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Any


class _Strand:
    def __init__(self) -> None:
        self._go, self._back = _thread.allocate_lock(), _thread.allocate_lock()
        self._go.acquire()
        self._back.acquire()
        self.work: Callable[[], None] = lambda: None
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        while True:
            self._go.acquire()
            self.work()
            _idle.append(self)
            self._back.release()

    def enter(self) -> None:
        """By the world: let it run until it suspends itself or is done."""
        self._go.release()
        self._back.acquire()

    def leave(self) -> None:
        """By the strand: back to the world until it enters again."""
        self._back.release()
        self._go.acquire()


_idle: list[_Strand] = []


class Job:
    """One call. `finished` is called by the world's thread with (result, error)."""

    def __init__(self, call: Callable[[], Any], finished: Callable[[Any, BaseException | None], None]) -> None:
        self._call = call
        self._finished = finished
        self._strand = _idle.pop() if _idle else _Strand()
        self._strand.work = self._work
        self._thrown: BaseException | None = None
        self._result: Any = None
        self._error: BaseException | None = None
        self.done = False

    def resume(self, throw: BaseException | None = None) -> None:
        """Run it until it suspends itself or ends; `throw` is raised where it stands."""
        self._thrown = throw
        self._strand.enter()
        if self.done:
            self._finished(self._result, self._error)

    def suspend(self) -> None:
        """Within the call: the world goes on."""
        self._strand.leave()
        if self._thrown is not None:
            raise self._thrown

    def _work(self) -> None:
        try:
            if self._thrown is not None:
                raise self._thrown
            self._result = self._call()
        except BaseException as error:
            self._error = error
        self.done = True
