"""What the engine tells, as log lines: assignments, aborts, trouble. Never a customer's data."""

from __future__ import annotations

import structlog

from stream.engine.observer import Observer

log = structlog.get_logger()


class LogObserver(Observer):
    def dropped(self, partitions: list[int]) -> None:
        log.info("dropped", partitions=sorted(partitions))

    def aborted(self, reason: str) -> None:
        log.warning("commit_aborted", reason=reason)

    def core_failed(self, partition: int, offset: int) -> None:
        log.error("record_rejected_as_internal", partition=partition, offset=offset)

    def set_aside(self, partition: int, reason: str) -> None:
        log.warning("local_state_set_aside", partition=partition, reason=reason)
