"""The demo's screen: what happens in the shop, as it happens."""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from stream.app.demo_picks import headline

LATEST = 16
"""Changes kept for the screen."""

BESIDE_LATEST = 18
"""Lines of the screen that the latest changes leave to the rest."""

NOTES = 2


@dataclass
class ShopView:
    """What the demo knows, folded from the changes topic alone, as any subscriber could."""

    stages: dict[str, Counter[str]] = field(default_factory=dict)
    members: Counter[str] = field(default_factory=Counter)
    entered: Counter[str] = field(default_factory=Counter)
    latest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LATEST))
    changes: int = 0
    events: int = 0
    events_per_second: float = 0.0
    shop_time: str = ""
    worker: str = "starting"
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=NOTES))
    beside: tuple[str, ...] = ()  # what a second terminal can do meanwhile

    def take(self, change: dict[str, Any]) -> None:
        """Fold one change value in."""
        self.changes += 1
        if "dimension" in change:
            stages = self.stages.setdefault(change["dimension"], Counter())
            if change["from_stage"] is not None:
                stages[change["from_stage"]] -= 1
            stages[change["to_stage"]] += 1
        elif "segment" in change:
            self.members[change["segment"]] += 1 if change["member"] else -1
            self.entered[change["segment"]] += bool(change["member"])


def reason(change: dict[str, Any]) -> str:
    """The conditions that decided, shortly; those with a value say more than a plain yes or no, and come first."""
    decided = sorted(change.get("because", []), key=lambda because: isinstance(because["value"], bool))
    return "; ".join(_condition(because) for because in decided[:3])


def _condition(because: dict[str, Any]) -> str:
    value = because["value"]
    if isinstance(value, bool):
        shown = ""
    elif isinstance(value, str):
        shown = f" [{value if len(value) < 24 else value[:10]}]"  # of an instant the day
    else:
        shown = f" [{json.dumps(value)}]"
    return f"{'' if because['holds'] else 'not '}{because['expression']}{shown}"


def cause(change: dict[str, Any]) -> str:
    found = change.get("cause", {})
    return "silence" if found.get("kind") == "clock" else str(found.get("event", found.get("kind", "")))


def screen(view: ShopView, height: int) -> Group:
    """The whole picture, for a terminal of so many lines."""
    shown = list(view.latest)[-max(3, height - BESIDE_LATEST) :]
    return Group(
        _top(view),
        Panel(Group(_stages(view), Text(), _segments(view)), title="who is where", title_align="left"),
        Panel(_latest(shown), title="latest changes, a few of many", title_align="left"),
        Text("\n".join([*view.notes, *view.beside]), "dim"),
    )


def _top(view: ShopView) -> Text:
    return Text.assemble(
        ("shop time ", "dim"), (view.shop_time, "bold"), ("   events ", "dim"), (f"{view.events:,}", "bold"),
        (" at ", "dim"), (f"{view.events_per_second:,.0f}/s", "bold"), ("   changes ", "dim"),
        (f"{view.changes:,}", "bold"), ("   worker ", "dim"), (view.worker, "bold"),
    )  # fmt: skip


def _stages(view: ShopView) -> Table:
    stages = Table(box=None, pad_edge=False, show_header=False)
    for dimension, counts in view.stages.items():
        row = Text()
        for stage, count in sorted(counts.items(), key=lambda item: -item[1]):
            if count:
                row.append(f"{stage} ", "cyan").append(f"{count}  ", "bold")
        stages.add_row(Text(dimension, "dim"), row)
    return stages


def _segments(view: ShopView) -> Columns:
    return Columns(
        [
            Text.assemble((segment, "green"), (f" {count} in", "bold"), (f", {view.entered[segment]:,} entered", "dim"))
            for segment, count in sorted(view.members.items())
        ],
        padding=(0, 3),
        equal=True,
    )


def _latest(changes: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, expand=True)
    for title, least, ratio in (
        ("on", 10, 0),
        ("customer", 8, 0),
        ("change", 27, 5),
        ("cause", 7, 3),
        ("because", 9, 12),
    ):
        table.add_column(
            title, ratio=ratio or None, min_width=least, no_wrap=True, overflow="ellipsis", header_style="dim"
        )
    for change in reversed(changes):
        style = "green" if change.get("member") else "yellow" if cause(change) == "silence" else ""
        table.add_row(
            change["effective_at"][:10],
            change["customer_id"],
            Text(headline(change), style),
            cause(change),
            Text(reason(change)),
        )
    return table


def plain_line(change: dict[str, Any]) -> str:
    """One change as a line, where there is no terminal."""
    at = change["effective_at"][:16].replace("T", " ")
    return f"{at}  {change['customer_id']}  {headline(change)}  by {cause(change)}  because {reason(change)}"
