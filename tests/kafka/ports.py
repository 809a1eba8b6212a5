"""Ports that stay free while who listens on them is down."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress
from random import SystemRandom

PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections: else one may take the port of a process that restarts."""
SIDE_BY_SIDE = 4
_given: set[int] = set()


def lasting_ports(count: int, in_a_row: int = 1) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody uses and no client will be given. By chance, so that runs beside this one
    choose others. Of each the next ones are free too, `in_a_row` in all."""
    found: list[int] = []
    own = _own_ports()
    for port in SystemRandom().sample(own, len(own)):
        row = range(port, port + in_a_row)
        if not _given.isdisjoint(row) or row[-1] not in own:
            continue
        with ExitStack() as probes, suppress(OSError):
            for each in row:
                probes.enter_context(socket.socket()).bind(("127.0.0.1", each))
            found.append(port)
            _given.update(row)
        if len(found) == count:
            return found
    raise AssertionError(f"not {count} free ports from {own.start} to {own.stop}")


def _own_ports() -> range:
    """Those of this one of the processes that run tests side by side: what one has given is unused at times, while who
    listens there is started again, and the others must not take it."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    number = int(name.removeprefix("gw")) % SIDE_BY_SIDE if name else SIDE_BY_SIDE - 1
    size = len(PORTS) // SIDE_BY_SIDE
    return PORTS[number * size : (number + 1) * size]


def lasting_port(in_a_row: int = 1) -> int:
    """One of them."""
    return lasting_ports(1, in_a_row)[0]
