"""Ports that stay free while who listens on them is down."""

from __future__ import annotations

import socket
from contextlib import suppress
from random import SystemRandom

PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections: else one may take the port of a process that restarts."""


def lasting_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody uses and no client will be given. By chance, so that runs beside this one
    choose others."""
    found: list[int] = []
    for port in SystemRandom().sample(PORTS, 200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"not {count} free ports from {PORTS.start} to {PORTS.stop}")


def lasting_port() -> int:
    """One of them."""
    return lasting_ports(1)[0]
