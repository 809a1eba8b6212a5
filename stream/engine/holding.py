"""What a worker holds: what the control topic says, and what it has decided itself and not seen there yet.

A hold that the worker decides (silence, too many rejected) is in force here at once; it is written to the control topic
with the next look, so that every worker follows. Only a human releases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream.codec.control import Control
from stream.engine.interfaces import Controls, OutcomeUnknown


class ControlsUnreachable(OutcomeUnknown):
    """Nobody knows what is held now."""


class NoControls:
    """Where there is no control topic: what is held is what was written here."""

    def __init__(self) -> None:
        self._held: dict[str, Control] = {}

    def read(self) -> Mapping[str, Control]:
        return dict(self._held)

    def write(self, key: str, control: Control | None) -> None:
        if control is None:
            self._held.pop(key, None)
        else:
            self._held[key] = control


class Holding:
    """`in_force`: key -> who holds it and why."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._known: Mapping[str, Control] = {}
        self._own: dict[str, Control] = {}

    @property
    def in_force(self) -> Mapping[str, Control]:
        return {**self._own, **self._known} if self._own else self._known

    @property
    def keys(self) -> Iterable[str]:
        return self.in_force.keys()

    def hold(self, key: str, control: Control) -> bool:
        """From now on this is held here, and elsewhere after the next `refresh`. False: it was already."""
        if key in self.in_force:
            return False
        self._own = {**self._own, key: control}
        return True

    def refresh(self) -> None:
        """Write what is new and read what is held. Blocks; called from worker threads. Raises ControlsUnreachable."""
        own = self._own
        try:
            for key, control in own.items():
                self._controls.write(key, control)
            self._known = self._controls.read()
        except OutcomeUnknown as error:
            raise ControlsUnreachable from error
        # What was decided meanwhile is written the next time.
        self._own = {key: control for key, control in self._own.items() if key not in own}
