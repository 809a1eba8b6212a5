"""Whether the address of `listen` can be had. Apart from `http`: told before the web server is even loaded."""

from __future__ import annotations

import socket

from stream.config import Address
from stream.errors import ConfigError


def check_is_free(listen: Address) -> None:
    """Raises ConfigError when nobody can listen there: Faust would tell it late, in a traceback."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does it: a port that was left a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:  # the latter of a name that can't be looked up
        found = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"listen {listen}: found {found}, expected an address of this machine on which nobody listens; each worker "
            "needs one of its own"
        ) from None
