"""The demo's worker process: the ordinary worker, but its one clock runs at the shop's speed.

python -m stream.app.demo_worker SETTINGS.yaml STARTED_MS SHOP_START_MS SPEED
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from stream.app.clock import now_ms
from stream.app.worker import run_worker
from stream.config import load_settings
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions

GRACE_S = 0.5
"""Of the machine's time. In a tenth of a second, a frame of the demo, half a day of shop time passes: with a grace of
two seconds of shop time every event would come late."""


@dataclass(frozen=True, slots=True)
class ShopClock:
    """Shop time: `speed` times as fast as the machine's, from `shop_start_ms` at `started_ms`."""

    started_ms: int
    shop_start_ms: int
    speed: float

    def __call__(self) -> int:
        return self.shop_start_ms + int((now_ms() - self.started_ms) * self.speed)


def main(arguments: list[str]) -> None:
    path, started, shop_start, speed = arguments
    grace_ms = int(GRACE_S * 1000 * float(speed))
    settings = load_settings(Path(path), {}).model_copy(update={"grace_ms": grace_ms})
    program = compile_program(load_definitions([settings.definitions]))
    run_worker(settings, program, ShopClock(int(started), int(shop_start), float(speed)))


if __name__ == "__main__":
    main(sys.argv[1:])
