"""The core failed: on a record, or where no record is to blame."""

from __future__ import annotations

import traceback
from pathlib import Path

FRAMES_LOGGED = 5


class CoreFailed(Exception):
    """The core failed on the record at `offset`; the cause is the exception."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the core failed at offset {offset}")
        self.offset = offset


class WakeFailed(Exception):
    """The core failed at a wake that the clock fired; the cause is the exception."""


def whereabouts(failure: CoreFailed | WakeFailed) -> dict[str, object]:
    """What the log may say of a failure: its kind and where; its text could hold a customer's data."""
    cause = failure.__cause__
    frames = traceback.extract_tb(cause.__traceback__ if cause else None)[-FRAMES_LOGGED:]
    return {
        "error": type(cause).__name__,
        "at": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }
