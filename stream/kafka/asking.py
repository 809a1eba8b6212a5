"""Asking the brokers again while what went wrong may pass."""

from __future__ import annotations

from collections.abc import Iterable

import stamina

from stream.kafka.errors import is_passing

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 1.0


def attempts(patience_s: float) -> Iterable[stamina.Attempt]:
    """`with` each of them around the question: none follows one that succeeded, that failed for good, or for whose
    successor patience has ended; then its error comes out."""
    return stamina.retry_context(
        on=may_pass, attempts=None, timeout=patience_s, wait_initial=FIRST_WAIT_S, wait_max=LONGEST_WAIT_S
    )


def may_pass(exception: Exception) -> bool:
    return isinstance(exception, TimeoutError) or is_passing(exception)
