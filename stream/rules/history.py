"""Functions over a customer's history, and the selectors, windows and clauses of their arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stream.rules.check_expression import ExpressionChecker
from stream.rules.expressions import Syntax
from stream.rules.functions import FUNCTIONS, HISTORY, LATER_FUNCTIONS, OTHER_WORDS, HistoryWord, Prop, Window
from stream.rules.literals import DURATION, MAX_DURATION_MS
from stream.rules.names import INSTANTS, did_you_mean, either, suggestion
from stream.rules.tree import (
    And,
    Arithmetic,
    InSegment,
    Leaf,
    Literal,
    Match,
    Node,
    Now,
    Property,
    Selector,
    Silent,
    Type,
)
from stream.rules.walk import constant_ms, is_constant
from stream.rules.world import World

KINDS = {
    "page": frozenset({"page"}),
    "screen": frozenset({"screen"}),
    "any": frozenset({"track", "page", "screen"}),
}
TRACK = frozenset({"track"})
MAX_MATCHES = 100
"""Alternatives of one selector; a list longer than this is a category that should be a property."""

_LATER_CLAUSES = frozenset({"within", "by", "unless", "then", "without"})


def everything() -> Selector:
    """The selector `any`."""
    return Selector((Match(KINDS["any"], None, None),), "any")


@dataclass(frozen=True, slots=True)
class Selected:
    """A selector argument: the events, and the property asked of them."""

    selector: Selector
    prop: Property | None


@dataclass(frozen=True, slots=True)
class HistoryChecker:
    """`values` checks what stands over the customer, `conditions` what stands inside `where`."""

    world: World
    values: ExpressionChecker
    conditions: ExpressionChecker

    def call(self, syntax: Syntax) -> Node | None:
        name = syntax.parts[0].value
        if name in HISTORY:
            return self._history(syntax, name, HISTORY[name])
        if name == "silent":
            return self._silent(syntax)
        if name == "in":
            return self._in_segment(syntax)
        return self._shifted_now(syntax, "-" if name == "ago" else "+")

    def selector(self, argument: Syntax) -> Selected | None:
        """`purchase.revenue where total > 100`; None after reporting."""
        if argument.kind != "argument":
            self._refuse_clause(argument)
            return None
        base = self._base(argument.parts[0])
        conditions: list[Node] = []
        whole = True
        for clause in argument.parts[1:]:
            if clause.kind != "where":
                self._refuse_clause(clause)
                whole = False
                continue
            condition = self.conditions.condition(clause.parts[0])
            whole = whole and condition is not None
            conditions.extend([condition] if condition is not None else [])
        if base is None or not whole:
            return None
        matches, prop = base
        for condition in conditions:
            matches = tuple(_narrowed(match, condition) for match in matches)
        return Selected(Selector(matches, _selector_text(argument, prop)), prop)

    # ------------------------------------------------------------------ functions

    def _history(self, syntax: Syntax, name: str, word: HistoryWord) -> Node | None:
        arguments = syntax.parts[1:]
        if not arguments:
            self.world.report(syntax.place, f"`{name}` needs events", f"{name}()", hint=f"as in {word.usage}")
            return None
        if word.prop is Prop.REQUIRED and self._names_no_event(arguments[0]):
            hint, found = f"as in {word.usage}", arguments[0].text[:60]
            self.world.report(arguments[0].place, f"`{name}` needs an event and its property", found, hint=hint)
            return None
        selected = self.selector(arguments[0])
        window = self._window(syntax, name, word, arguments[1:])
        if selected is None or window is None:
            return None
        if word.prop is Prop.REQUIRED and selected.prop is None:
            hint = f"as in {word.usage}"
            self.world.report(arguments[0].place, f"`{name}` needs a property", arguments[0].text[:60], hint=hint)
            return None
        if word.prop is Prop.NONE and selected.prop is not None:
            hint = f"as in {word.usage}"
            message = f"`{name}` takes events, not a property"
            self.world.report(selected.prop.place, message, selected.prop.text, hint=hint)
            return None
        kind = Type.ANY if word.prop is Prop.OPTIONAL and selected.prop is not None else word.type
        return Leaf(
            place=syntax.place, type=kind, text=syntax.text, word=name, selector=selected.selector, prop=selected.prop,
            window_ms=window[0], before_ms=window[1],
        )  # fmt: skip

    def _names_no_event(self, argument: Syntax) -> bool:
        """A name by itself, of nothing that is known: most likely a property's."""
        if argument.kind != "argument":
            return False
        path = argument.parts[0]
        if path.kind != "path" or len(path.parts) > 1:
            return False
        known = (KINDS, self.world.events, self.world.facts, self.world.dimensions)
        return all(path.parts[0].value not in names for names in known)

    def _names_events(self, argument: Syntax) -> bool:
        """An event's own name in quotes, or one that is declared."""
        if argument.kind != "argument" or len(argument.parts) > 1:
            return False
        event = argument.parts[0]
        if event.kind == "string":
            return event.parts[0].value[:1].isupper()  # else a duration may be meant: "last month"
        name = event.parts[0].value if event.kind == "path" and len(event.parts) == 1 else ""
        return name in KINDS or name in self.world.events

    def _united(self, name: str, arguments: tuple[Syntax, ...]) -> str:
        """The call with its events in a list; an example when the first has a condition of its own."""
        if not self._names_events(arguments[0]):
            return f'{name}([purchase, "Product Viewed"])'
        events = ", ".join(argument.text for argument in arguments if self._names_events(argument))
        others = [argument.text for argument in arguments if not self._names_events(argument)]
        return f"{name}({', '.join([f'[{events}]', *others])})"

    def _window(
        self, syntax: Syntax, name: str, word: HistoryWord, arguments: tuple[Syntax, ...]
    ) -> tuple[int | None, int] | None:
        """(window or None for ever, before); None after reporting."""
        usage = f"as in {word.usage}"
        if not arguments:
            if word.window is Window.REQUIRED:
                self.world.report(syntax.place, f"`{name}` needs a window", syntax.text[:60], hint=usage)
                return None
            return None, 0
        if word.window is Window.NONE:
            hint = f"compare instead: {name}(...) > ago(30d)"
            self.world.report(arguments[0].place, f"`{name}` takes no window", arguments[0].text[:60], hint=hint)
            return None
        if arguments[0].kind == "before":
            hint = f"{name}(..., 7d, before 7d)"
            self.world.report(arguments[0].place, "`before` stands after a window", arguments[0].text[:60], hint=hint)
            return None
        if word.prop is Prop.NONE and self._names_events(arguments[0]):
            hint = f"several events stand in a list: {self._united(name, syntax.parts[1:])}"
            self.world.report(arguments[0].place, "this is no window", arguments[0].text[:60], "a duration", hint)
            return None
        window = self._duration(arguments[0], "a window", least_ms=1)
        if len(arguments) == 1:
            return None if window is None else (window, 0)
        if arguments[1].kind != "before" or len(arguments) > 2:
            extra = arguments[1] if arguments[1].kind != "before" else arguments[2]
            hint = f"{name}(..., 7d, before 7d)"
            self.world.report(extra.place, f"`{name}` has too many arguments", extra.text[:60], hint=hint)
            return None
        before = self._duration(arguments[1], "what follows `before`", least_ms=0)
        return None if window is None or before is None else (window, before)

    def _silent(self, syntax: Syntax) -> Node | None:
        if len(syntax.parts) != 3:
            usage = f"as in {FUNCTIONS['silent']}"
            self.world.report(syntax.place, "`silent` needs events and a duration", syntax.text[:60], hint=usage)
            return None
        selected = self.selector(syntax.parts[1])
        duration = self._duration(syntax.parts[2], "the duration", least_ms=1)
        if selected is None or duration is None:
            return None
        if selected.prop is not None:
            self.world.report(selected.prop.place, "`silent` takes events, not a property", selected.prop.text)
            return None
        return Silent(
            place=syntax.place, type=Type.BOOLEAN, text=syntax.text, selector=selected.selector, duration_ms=duration
        )

    def _in_segment(self, syntax: Syntax) -> Node | None:
        plain = self.values.arguments(syntax, FUNCTIONS["in"], 1)
        if plain is None:
            return None
        if plain[0].kind != "string":
            quoted = f'in("{plain[0].text[:40]}")'
            self.world.report(plain[0].place, "`in` takes a segment's name as a text", plain[0].text[:60], hint=quoted)
            return None
        name = plain[0].parts[0].value
        if name not in self.world.segments:
            is_dimension = name in self.world.dimensions
            known = did_you_mean(name, self.world.segments)
            hint = f'`{name}` is a dimension: {name} == "..."' if is_dimension else known
            self.world.report(plain[0].place, "there is no such segment", f'"{name[:60]}"', hint=hint)
            return None
        return InSegment(place=syntax.place, type=Type.BOOLEAN, text=syntax.text, segment=name)

    def _shifted_now(self, syntax: Syntax, op: str) -> Node | None:
        name = syntax.parts[0].value
        plain = self.values.arguments(syntax, FUNCTIONS[name], 1)
        duration = None if plain is None else self.values.value(plain[0])
        if duration is None:
            return None
        if duration.type not in (Type.DURATION, Type.ANY):
            hint = f"as in {FUNCTIONS[name]}"
            self.world.report(duration.place, f"`{name}` takes a duration", duration.type.value, "a duration", hint)
            return None
        fixed = constant_ms(duration)
        if is_constant(duration) and not self._is_sane(duration, MAX_DURATION_MS + 1 if fixed is None else fixed):
            return None
        now = Now(place=syntax.place, type=Type.INSTANT, text="now")
        return Arithmetic(place=syntax.place, type=Type.INSTANT, text=syntax.text, op=op, left=now, right=duration)

    def _duration(self, argument: Syntax, what: str, least_ms: int) -> int | None:
        """A constant duration argument in ms; None after reporting."""
        if argument.kind not in ("argument", "before") or len(argument.parts) != 1:
            self._refuse_clause(argument.parts[-1] if argument.kind == "argument" else argument)
            return None
        node = self.values.value(argument.parts[0])
        if node is None:
            return None
        duration = constant_ms(node) if node.type is Type.DURATION else None
        if duration is None:
            hint = "as in 30d" if node.type is not Type.DURATION else "it can't depend on the customer"
            if isinstance(node, Literal) and node.type is Type.TEXT and DURATION.fullmatch(node.value):
                hint = f"a duration has no quotes: {node.value}"
            found = node.text[:60] if node.type is Type.DURATION else node.type.value
            self.world.report(node.place, f"{what} must be a fixed duration", found, hint=hint)
            return None
        if not self._is_sane(node, duration):
            return None
        if duration < least_ms:
            self.world.report(node.place, f"{what} is too short", node.text[:60], "a duration above 0")
            return None
        return duration

    def _is_sane(self, node: Node, duration_ms: int) -> bool:
        if abs(duration_ms) <= MAX_DURATION_MS:
            return True
        self.world.report(node.place, "the duration is too long", node.text[:60], "at most 36600d, a hundred years")
        return False

    # ------------------------------------------------------------------ selectors

    def _base(self, syntax: Syntax) -> tuple[tuple[Match, ...], Property | None] | None:
        if syntax.kind == "string":
            return self._named_event(syntax), None
        if syntax.kind in ("path", "text_path"):
            head = syntax.parts[0]
            matches: tuple[Match, ...] | None
            matches = (Match(TRACK, head.value, None),) if syntax.kind == "text_path" else self._events(head)
            return self._with_prop(matches, syntax, syntax.parts[1:])
        if syntax.kind == "list":
            items = [part for part in syntax.parts if part.kind != "step"]
            matches = self._union(syntax, items)
            return self._with_prop(matches, syntax, syntax.parts[len(items) :])
        if syntax.kind == "call" and syntax.parts[0].value not in FUNCTIONS:
            unknown_function(self.world, syntax, FUNCTIONS)
            return None
        hint = 'a declared event, an event\'s name in quotes, page, screen or any; count("Order Completed")'
        self.world.report(syntax.place, "events are expected here", syntax.text[:60], "events", hint)
        return None

    def _named_event(self, syntax: Syntax) -> tuple[Match, ...]:
        return (Match(TRACK, syntax.parts[0].value, None),)

    def _union(self, syntax: Syntax, items: list[Syntax]) -> tuple[Match, ...] | None:
        if not items:
            self.world.report(syntax.place, "the list of events is empty", "[]", "at least one event")
            return None
        matches: list[Match] = []
        whole = True
        for item in items:
            base = self._base(item)
            if base is None:
                whole = False
            elif base[1] is not None:
                hint = "put the property behind the list: [a, b].revenue"
                message = "a list of events holds events, not properties"
                self.world.report(item.place, message, item.text[:60], hint=hint)
                whole = False
            else:
                matches.extend(base[0])
        if len(matches) > MAX_MATCHES:
            expected = f"at most {MAX_MATCHES}"
            self.world.report(syntax.place, "the list of events is too long", str(len(matches)), expected)
            return None
        return tuple(dict.fromkeys(matches)) if whole else None

    def _events(self, head: Syntax) -> tuple[Match, ...] | None:
        name = head.value
        if name in KINDS:
            return (Match(KINDS[name], None, None),)
        if name in self.world.events:
            return self.world.events[name]
        if name in self.world.facts or name in self.world.dimensions or name in ("traits", "group"):
            self.world.report(head.place, f"`{name}` is not an event", name, "events")
            return None
        hint = did_you_mean(name, {*self.world.events, *KINDS})
        quoted = f'an event\'s own name stands in quotes: "{name}"'
        self.world.report(head.place, "no event has this name", name, hint=either(hint, quoted))
        return None

    def _with_prop(
        self, matches: tuple[Match, ...] | None, syntax: Syntax, steps: tuple[Syntax, ...]
    ) -> tuple[tuple[Match, ...], Property | None] | None:
        if matches is None:
            return None
        if not steps:
            return matches, None
        path = tuple(step.parts[0].value for step in steps)
        root = path[0] if path[0] in ("context", "properties") else "properties"
        inner = path[1:] if path[0] == root else path
        if not inner:
            self.world.report(syntax.place, f"`{root}` needs a name", syntax.text[:60], hint=f"any.{root}.country")
            return None
        if path == ("timestamp",):
            hint = "last(sel) and first(sel) are instants; a property of that name is properties.timestamp"
            message = "`timestamp` is the event's time, not a property"
            self.world.report(syntax.place, message, syntax.text[:60], hint=hint)
            return None
        return matches, Property(place=syntax.place, type=Type.ANY, text=syntax.text, root=root, path=inner)

    def _refuse_clause(self, clause: Syntax) -> None:
        text = clause.text[:60]
        if clause.kind in _LATER_CLAUSES:
            self.world.report(clause.place, f"`{clause.kind}` is not supported yet", text, hint="it comes later")
        elif clause.kind == "where":
            self.world.report(clause.place, "`where` belongs to events", text, "events before it")
        else:
            self.world.report(clause.place, "this can't stand here", text, "events")


def _narrowed(match: Match, condition: Node) -> Match:
    if match.where is None:
        return Match(match.kinds, match.name, condition)
    text = f"{match.where.text} and {condition.text}"
    both = And(place=condition.place, type=Type.BOOLEAN, text=text, parts=(match.where, condition))
    return Match(match.kinds, match.name, both)


def _selector_text(argument: Syntax, prop: Property | None) -> str:
    """The events' text without the property: what two leaves over the same events share."""
    base = argument.parts[0]
    if prop is None:
        return argument.text
    items = [part.text for part in base.parts if part.kind != "step"]
    events = f"[{', '.join(items)}]" if base.kind == "list" else base.parts[0].text
    return " ".join([events, *(clause.text for clause in argument.parts[1:])])


def unknown_function(
    world: World, syntax: Syntax, known: Iterable[str], instead: Mapping[str, str] | None = None
) -> None:
    """Reports a function that is planned, or that nobody knows; `instead` says what is written here for it."""
    name = syntax.parts[0].value
    if name in LATER_FUNCTIONS:
        world.report(syntax.place, f"`{name}` is not supported yet", f"{name}(...)", hint="it comes later")
        return
    if name in INSTANTS:
        world.report(
            syntax.place, f"`{name}` is no function", syntax.text[:60], hint=f"write `{name}` without brackets"
        )
        return
    written = (instead or {}).get(name.lower())
    hint = f"write {written}" if written else suggestion(name, known, OTHER_WORDS)
    world.report(syntax.place, "there is no such function", name, hint=hint)
