"""A call beside the rest, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Aside(Generic[Answer]):
    """Under way from now on. The process may end before it does: nobody waits for a thread that asks a silent broker,
    as an executor's end would."""

    def __init__(self, call: Callable[[], Answer], name: str) -> None:
        self._call = call
        self._answer: list[Answer] = []
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer.append(self._call())
        except BaseException as failure:  # whoever asks for the answer gets it
            self._failure = failure

    def result(self) -> Answer:
        """Waits for it. Raises what the call raised."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._answer[0]
