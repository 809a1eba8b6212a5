"""How this package was built."""

from __future__ import annotations

from stream.core import transition


def is_compiled() -> bool:
    """Whether what is in an event's way runs as C extensions (setup.py) or, as it is shipped, as plain Python."""
    return not transition.__file__.endswith(".py")
