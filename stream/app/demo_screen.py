"""The demo's screen: what happens in the shop, as it happens."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

LATEST = 12
"""Changes shown; more would scroll past unread."""


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
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=3))

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
        if worth_showing(change):
            self.latest.append(change)


def worth_showing(change: dict[str, Any]) -> bool:
    """First stages of newcomers say little; segments and silence say most."""
    return "segment" in change or (change.get("cause", {}).get("kind") == "clock")


def headline(change: dict[str, Any]) -> str:
    """`win-back entered` or `lifecycle active -> inactive`."""
    if "segment" in change:
        held = " (held out)" if change.get("control") else ""
        return f"{change['segment']} {'entered' if change['member'] else 'left'}{held}"
    return f"{change['dimension']} {change['from_stage']} -> {change['to_stage']}"


def reason(change: dict[str, Any]) -> str:
    """The conditions that decided, shortly."""
    parts = []
    for because in change.get("because", [])[:3]:
        value = because["value"]
        shown = value if not isinstance(value, str) or len(value) < 25 else value[:10]
        sign = "" if because["holds"] else "not "
        parts.append(f"{sign}{because['expression']} [{shown}]")
    return "; ".join(parts)


def cause(change: dict[str, Any]) -> str:
    found = change.get("cause", {})
    return "silence" if found.get("kind") == "clock" else str(found.get("event", found.get("kind", "")))


def screen(view: ShopView) -> Group:
    """The whole picture."""
    top = Text.assemble(
        ("shop time ", "dim"), (view.shop_time, "bold"), ("   events ", "dim"), (f"{view.events:,}", "bold"),
        (" at ", "dim"), (f"{view.events_per_second:,.0f}/s", "bold"), ("   changes ", "dim"),
        (f"{view.changes:,}", "bold"), ("   worker ", "dim"), (view.worker, "bold"),
    )  # fmt: skip
    stages = Table(box=None, pad_edge=False, show_header=False)
    for dimension, counts in view.stages.items():
        row = Text()
        for stage, count in sorted(counts.items(), key=lambda item: -item[1]):
            if count:
                row.append(f"{stage} ", "cyan").append(f"{count}  ", "bold")
        stages.add_row(Text(dimension, "dim"), row)
    inside = Text()
    for segment, count in sorted(view.members.items()):
        inside.append(f"{segment} ", "green").append(f"{count} in, {view.entered[segment]} entered   ")
    stages.add_row(Text("segments", "dim"), inside)
    latest = Table(box=None, pad_edge=False, expand=True)
    for title, ratio in (("effective at", 3), ("customer", 2), ("change", 5), ("cause", 3), ("because", 12)):
        latest.add_column(title, ratio=ratio, no_wrap=True, overflow="ellipsis", header_style="dim")
    for change in reversed(view.latest):
        style = "green" if change.get("member") else "yellow" if cause(change) == "silence" else ""
        latest.add_row(
            change["effective_at"][:16].replace("T", " "), change["customer_id"], Text(headline(change), style),
            cause(change), reason(change),
        )  # fmt: skip
    notes = Text("\n".join(view.notes), "dim")
    return Group(
        top, Panel(stages, title="who is where", title_align="left"),
        Panel(latest, title="latest changes", title_align="left"), notes,
    )  # fmt: skip


def plain_line(change: dict[str, Any]) -> str:
    """One change as a line, where there is no terminal."""
    at = change["effective_at"][:16].replace("T", " ")
    return f"{at}  {change['customer_id']}  {headline(change)}  by {cause(change)}  because {reason(change)}"
