"""What command lines of the benchmarks have in common."""

from __future__ import annotations

import argparse

from stream.setting_values import UNITS_MS, parse_quantity


def add_cold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cold", action="store_true", help="spare the minute that warms the broker up; the figures then say less"
    )


def number(text: str) -> int:
    """From 1; digits may be grouped: 1_000_000."""
    try:
        found = int(text)
    except ValueError:
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected a number from 1")
    return found


def numbers(text: str) -> list[int]:
    """With commas."""
    return [number(part) for part in text.split(",")]


def duration_s(text: str) -> float:
    """45m, 90s, 1h."""
    try:
        return parse_quantity(text, UNITS_MS) / 1000
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text}, expected a duration like 45m or 90s") from None
