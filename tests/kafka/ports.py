"""Ports that stay free while who listens on them is down."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from random import SystemRandom

PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections: else one may take the port of a process that restarts."""


def lasting_ports(count: int, in_a_row: int = 1) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody uses and no client will be given. By chance, so that runs beside this one
    choose others. Of each the next ones are free too, `in_a_row` in all."""
    found: list[int] = []
    for port in SystemRandom().sample(PORTS, 200):
        with ExitStack() as probes, suppress(OSError):
            for each in range(port, port + in_a_row):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", each))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"not {count} free ports from {PORTS.start} to {PORTS.stop}")


def lasting_port(in_a_row: int = 1) -> int:
    """One of them."""
    return lasting_ports(1, in_a_row)[0]
