"""Causes and answers of changes as the labels of metrics say them, and the store's figures as metrics name them."""

from __future__ import annotations

from stream.core.changes import Cause, ClockCause, DefinitionsCause, EventCause
from stream.core.program import Definition
from stream.metric_families import NO_STAGE

STORED = {
    "state_keys": ("estimated_keys",),
    "state_size_bytes": ("sst_bytes", "memtable_bytes"),
    "state_pending_compaction_bytes": ("pending_compaction_bytes",),
    "state_write_stopped": ("write_stopped",),
    "state_background_errors": ("background_errors",),
    "state_wakes": ("estimated_wakes",),
    "state_running_compactions": ("running_compactions",),
    "state_block_cache_bytes": ("block_cache_bytes",),
}
"""Gauge -> the figures of `StateStore.sizes` it adds up; a store need not tell all."""

DIRECTIONS = ("exited", "entered")  # by a segment's answer


def cause_label(cause: Cause) -> str:
    if type(cause) is EventCause:
        return "event"
    if type(cause) is DefinitionsCause:
        return "definitions"
    return "clock" if type(cause) is ClockCause else "erasure"


def answer_label(definition: Definition, answer: int | None) -> str:
    """As a label: entered or exited, or the stage."""
    if definition.is_segment:
        return DIRECTIONS[answer or 0]
    return NO_STAGE if answer is None else definition.stages[answer]
