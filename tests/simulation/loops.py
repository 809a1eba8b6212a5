"""An asyncio loop that does nothing by itself: the world decides when it takes a step and what time it is."""

from __future__ import annotations

import asyncio
import math
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

Execute = Callable[[Callable[..., Any], tuple[Any, ...], asyncio.Future[Any]], None]


class Timers(Protocol):
    """The world, as a loop sees it."""

    now_ms: int

    def at(self, when_ms: int, call: Callable[[], None]) -> None: ...


class SteppedLoop(asyncio.AbstractEventLoop):
    """As much of a loop as the engine uses. `execute` takes the call that `run_in_executor` is given, its arguments and
    the future; which pool was meant does not matter."""

    def __init__(self, timers: Timers, execute: Execute) -> None:
        self._timers = timers
        self._execute = execute
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.closed = False
        self.errors: list[BaseException] = []

    def step(self) -> None:
        """Run what is ready now; what becomes ready by that waits for the next step."""
        _set_running_loop(self)
        try:
            for _ in range(len(self.ready)):
                if self.closed:
                    return
                handle = self.ready.popleft()
                if not handle._cancelled:
                    handle._run()
        finally:
            _set_running_loop(None)

    def end(self) -> None:
        """The process is gone: nothing of it runs again."""
        self.closed = True
        self.ready.clear()
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False
                task.get_coro().close()
        self.tasks.clear()

    # -- what asyncio asks of a loop

    def time(self) -> float:
        return self._timers.now_ms / 1000

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.closed

    def is_closed(self) -> bool:
        return False  # callbacks of futures let go at the end are taken, and never run

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self.closed:
            self.ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)

        def due() -> None:
            if not handle._cancelled and not self.closed:
                self.ready.append(handle)

        self._timers.at(math.ceil(when * 1000 - 1e-6), due)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name or "task")
        self.tasks.append(task)
        if len(self.tasks) > 64:
            self.tasks = [each for each in self.tasks if not each.done()]
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = self.create_future()
        self._execute(func, args, future)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.closed and isinstance(error, Exception) and "never retrieved" not in context["message"]:
            self.errors.append(error)
