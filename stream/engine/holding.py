"""What a worker holds: what the control topic says, and what it has decided itself and not seen there yet.

A hold that the worker decides (silence, too many rejected) is in force here at once; it is written to the control topic
with the next look, so that every worker follows. Only a human releases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream.codec.control import Control
from stream.codec.levels import FORMER_LEVEL, UPGRADE, level_asked
from stream.engine.interfaces import Controls, OutcomeUnknown
from stream.errors import StartRefused

RESTORED = "kept-state"
"""Who holds what only a partition's state knew of."""


class ControlsUnreachable(OutcomeUnknown):
    """Nobody knows what is held now."""


class NoControls:
    """Where there is no control topic: what is held is what was written here."""

    def __init__(self) -> None:
        self._held: dict[str, Control | None] = {}

    def read(self) -> Mapping[str, Control | None]:
        return dict(self._held)

    def write(self, key: str, control: Control | None) -> None:
        self._held[key] = control


def check_keepable(partition: int, held: Iterable[str]) -> None:
    """Of a partition whose state is at the former format level (`codec.levels`), which knows no holds: refuse what is
    held, or would be. Raises StartRefused."""
    names = ", ".join(sorted(held))
    if names:
        raise StartRefused(
            f"partition {partition}: its state is at format level {FORMER_LEVEL}, which can't keep what is held "
            f"({names}): run {UPGRADE}; or release it, and leave `silence_hold` out of the settings"
        )


class Holding:
    """`in_force`: key -> who holds it and why. `level`: the format level that is asked for on the control topic."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._known: Mapping[str, Control] = {}
        self._released: frozenset[str] = frozenset()
        self._own: dict[str, Control] = {}  # changed key by key: several threads do
        self._written: set[str] = set()  # of these, what the control topic has: a human may release it from now on
        self.level = FORMER_LEVEL

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
        self._own[key] = control
        return True

    def restored(self, holds: Mapping[str, int]) -> None:
        """What was in force in a partition by its last commit (key -> since when). Of what nobody ever wrote, nobody
        can have said to release it: its worker was killed before it had told, so it is told now."""
        for key, since_ms in holds.items():
            if key not in self._released:
                self.hold(
                    key, Control(RESTORED, since_ms, "kept with a partition's state, and not on the control topic")
                )

    def refresh(self) -> None:
        """Write what is new and read what is held. Blocks; called from worker threads. Raises ControlsUnreachable."""
        own = dict(self._own)
        try:
            for key, control in own.items():
                if key not in self._written:
                    self._controls.write(key, control)
                    self._written.add(key)
            told = self._controls.read()
        except OutcomeUnknown as error:
            raise ControlsUnreachable from error
        self.level = max((level_asked(key) or FORMER_LEVEL for key in told), default=FORMER_LEVEL)
        self._known = {
            key: control for key, control in told.items() if control is not None and level_asked(key) is None
        }
        self._released = frozenset(key for key, control in told.items() if control is None)
        for key in own:  # what was decided meanwhile is written with the next look
            self._own.pop(key, None)
            self._written.discard(key)
