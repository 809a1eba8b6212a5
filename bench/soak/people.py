"""What people do to a running pipeline, beside the faults: hold and release answers, deploy changed definitions.

A hold lasts until its next turn, and customers are carried over slowly, so that faults happen in the midst of both.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from bench.soak.field import DEFINITIONS, RECOVERY_S, Field, SoakFailed

HOLDS = (("clock",), ("clock", "--event", "Order Completed"), ("segment", "gone-quiet"), ("segment", "big-spender"))
COMMAND_S = 60.0
CART_ABANDONED = "  cart-abandoned:"  # the last of the file
REGULAR = "  regular:\n    when: count(seen, 18s) >= 3\n"
ABSENT = 0.3


def hold_or_release(field: Field) -> Iterator[None]:
    if field.is_held:
        release(field)
    else:
        command(field, "hold", *field.dice.choice(HOLDS), "--reason", "soak")
        field.is_held = True
    yield


def release(field: Field) -> None:
    command(field, "release", "all")
    field.is_held = False


def deploy(field: Field) -> Iterator[None]:
    """The next revision, worker by worker. Most customers are carried over only while the next faults happen."""
    field.revision += 1
    new = field.pipeline.definitions.with_suffix(".new")
    new.write_text(changed(field.dice, field.revision))
    new.rename(field.pipeline.definitions)
    for instance in sorted(field.running):
        field.restart(field.running[instance], COMMAND_S)
    yield


def changed(dice: random.Random, revision: int) -> str:
    """The soak's definitions with other thresholds, perhaps without a segment, perhaps with one more."""
    text = DEFINITIONS.read_text().replace("name: soak\n", f"name: soak\nrevision: {revision}\n")
    text = text.replace("ago(9s)", f"ago({dice.choice((7, 9, 11))}s)")
    text = text.replace("silent(seen, 12s)", f"silent(seen, {dice.choice((10, 12, 14))}s)")
    text = text.replace(">= 300", f">= {dice.choice((200, 300, 400))}")
    if dice.random() < ABSENT:
        text = text[: text.index(CART_ABANDONED)]
    return text if dice.random() < ABSENT else text + REGULAR


def command(field: Field, *arguments: str) -> None:
    """A command of `segmenter`, again until a broker answers."""
    end = time.monotonic() + COMMAND_S
    while True:
        done = field.pipeline.run(*arguments, "--config", str(field.pipeline.config("admin")), check=False)
        if done.returncode == 0:
            return
        if done.returncode != 1 or time.monotonic() > end:
            raise SoakFailed(f"segmenter {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        field.pause(1.0)


def wait_carried_over(field: Field) -> None:
    """Until no partition has customers of an earlier revision."""
    end = time.monotonic() + RECOVERY_S
    while field.remaining() != 0:
        if time.monotonic() > end:
            raise SoakFailed(f"not carried over within {RECOVERY_S:.0f} s: {field.remaining()} left\n{field.logs()}")
        field.pause(0.5)


PEOPLE = {"hold or release": (hold_or_release, 8), "new definitions": (deploy, 4)}
