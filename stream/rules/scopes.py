"""Where an expression stands, and what names mean there: over a customer, or over one event inside `where`."""

from __future__ import annotations

from dataclasses import dataclass

from stream.rules.check_expression import ExpressionChecker
from stream.rules.expressions import Syntax
from stream.rules.functions import FUNCTIONS, INSTEAD, VALUES
from stream.rules.history import HistoryChecker, everything, unknown_function
from stream.rules.literals import without_currency
from stream.rules.names import INSTANTS, WORDS_OF_VALUES, did_you_mean, either, suggestion
from stream.rules.tree import Fact, FirstSeen, Leaf, Node, Now, Property, StageOf, Trait, TraitDeclaration, Type
from stream.rules.world import World

EVERYBODY = "`audience: everyone` belongs to a segment; everybody is meant where the file has no `audience`"


def customer_checker(world: World) -> ExpressionChecker:
    """Checks facts, stages, segments and carried values."""
    return ExpressionChecker(world, CustomerScope(world))


def event_checker(world: World) -> ExpressionChecker:
    """Checks what stands inside `where`."""
    return ExpressionChecker(world, EventScope(world))


def steps_of(syntax: Syntax) -> tuple[str, ...]:
    """`traits.plan.tier` as ("traits", "plan", "tier")."""
    return tuple(part.parts[0].value if part.kind == "step" else part.value for part in syntax.parts)


@dataclass(frozen=True, slots=True)
class CustomerScope:
    world: World

    def path(self, syntax: Syntax, beside_text: bool = False) -> Node | None:
        steps = steps_of(syntax)
        name = steps[0]
        if syntax.kind == "path" and name in ("traits", "group"):
            return self._trait(syntax, name, steps[1:])
        if syntax.kind == "text_path" or name in self.world.events or name in ("page", "screen", "any"):
            return self._event(syntax, steps)
        if len(steps) > 1:
            self._unknown_path(syntax, steps)
            return None
        return self._name(syntax, name, beside_text)

    def is_hyphenated(self, syntax: Syntax) -> bool:
        name = syntax.text
        head, hyphen, _ = name.partition("-")
        if not (hyphen and head.isidentifier()) or head in self.world.facts or head in INSTANTS:
            return False
        if name not in self.world.segments and not self._is_stage(name):
            return False
        self._name(syntax, name)
        return True

    def call(self, syntax: Syntax, checker: ExpressionChecker) -> Node | None:
        name = syntax.parts[0].value
        if name in FUNCTIONS:
            return HistoryChecker(self.world, checker, event_checker(self.world)).call(syntax)
        unknown_function(self.world, syntax, FUNCTIONS, INSTEAD)
        return None

    def _name(self, syntax: Syntax, name: str, beside_text: bool = False) -> Node | None:
        world, place, text = self.world, syntax.place, syntax.text
        if name in world.facts:
            value = world.facts[name]
            return None if value is None else Fact(place=place, type=value.type, text=text, name=name, value=value)
        if name in world.dimensions:
            return StageOf(place=place, type=Type.TEXT, text=text, dimension=name)
        if name == "now":
            return Now(place=place, type=Type.INSTANT, text=text)
        if name == "first_seen":
            return FirstSeen(place=place, type=Type.INSTANT, text=text)
        if name == "last_seen":
            return Leaf(
                place=place, type=Type.INSTANT, text=text, word="last", selector=everything(), prop=None,
                window_ms=None, before_ms=0,
            )  # fmt: skip
        if name in world.segments:
            world.report(place, "a segment can't stand here by its bare name", name, hint=f'write in("{name}")')
        elif name in FUNCTIONS:
            world.report(place, f"`{name}` is a function", name, hint=f"as in {FUNCTIONS[name]}")
        elif name == "otherwise":
            world.report(place, "`otherwise` is the condition of a dimension's last stage, alone", name)
        elif name in ("context", "properties", "timestamp"):
            world.report(place, f"`{name}` means something only inside `where`", name)
        elif self._is_stage(name):
            world.report(place, "a stage stands in quotes", name, hint=f'write "{name}"')
        else:
            hint = self._meant(name, beside_text)
            world.report(place, "nothing has this name", name, "a fact, a dimension or a declared event", hint)
        return None

    def _is_stage(self, name: str) -> bool:
        return any(name in stages for stages in self.world.dimensions.values())

    def _meant(self, name: str, beside_text: bool) -> str | None:
        known = {*self.world.facts, *self.world.dimensions, *self.world.events, *INSTANTS}
        if name.lower() in WORDS_OF_VALUES:
            return f"write {WORDS_OF_VALUES[name.lower()]}"
        if (trait := self._declared(name)) is not None:
            return f'write {trait}; or "{name}" in quotes, if that text is meant' if beside_text else f"write {trait}"
        if (amount := without_currency(name)) is not None:
            return f"amounts are plain numbers: {amount}"
        if beside_text and suggestion(name, known) is None:
            return f'a text stands in quotes: "{name}"'
        return EVERYBODY if name == "everyone" else did_you_mean(name, known)

    def _declared(self, name: str) -> str | None:
        """The trait of this name, as it is written."""
        sources = (("traits", self.world.traits), ("group", self.world.group or {}))
        return next((f"{source}.{name}" for source, declared in sources if name in declared), None)

    def _event(self, syntax: Syntax, steps: tuple[str, ...]) -> Node | None:
        if len(steps) == 1:
            hint = f"as in count({syntax.text}) or last({syntax.text})"
            self.world.report(syntax.place, "events are not a value", syntax.text, "a function over them", hint)
        else:
            hint = f"as in last({syntax.text}) or sum({syntax.text}, 90d)"
            message = "a property of events is not a value by itself"
            self.world.report(syntax.place, message, syntax.text, "a function over it", hint)
        return None

    def _unknown_path(self, syntax: Syntax, steps: tuple[str, ...]) -> None:
        name, world = steps[0], self.world
        if name in world.facts or name in world.dimensions:
            world.report(syntax.place, f"`{name}` has no properties", syntax.text)
            return
        trait = self._declared(".".join(steps))
        hint = did_you_mean(name, {"traits", "group", *world.events}) if trait is None else f"write {trait}"
        world.report(syntax.place, "nothing has this name", name, "traits, group or a declared event", hint)

    def _trait(self, syntax: Syntax, source: str, path: tuple[str, ...]) -> Node | None:
        world = self.world
        if not path:
            world.report(syntax.place, f"`{source}` needs a name", source, hint=f"as in {source}.country")
            return None
        declared = world.traits if source == "traits" else world.group
        if declared is None:
            return Trait(place=syntax.place, type=Type.ANY, text=syntax.text, source=source, path=path, private=False)
        name = ".".join(path)
        if name in declared:
            declaration = declared[name]
            if declaration is None:
                return None
            return Trait(
                place=syntax.place, type=declaration.type, text=syntax.text, source=source, path=path,
                private=declaration.private,
            )  # fmt: skip
        return self._within_declared(syntax, source, path, declared)

    def _within_declared(
        self, syntax: Syntax, source: str, path: tuple[str, ...], declared: dict[str, TraitDeclaration | None]
    ) -> Node | None:
        """A path through a declared list means any element; through anything else it means nothing."""
        name = ".".join(path)
        for length in range(len(path) - 1, 0, -1):
            prefix = ".".join(path[:length])
            if prefix not in declared:
                continue
            declaration = declared[prefix]
            if declaration is None:
                return None
            if declaration.type is Type.LIST:
                return Trait(
                    place=syntax.place, type=Type.ANY, text=syntax.text, source=source, path=path,
                    private=declaration.private,
                )  # fmt: skip
            message = f"`{source}.{prefix}` is declared as {declaration.type.value} and has no parts"
            self.world.report(syntax.place, message, syntax.text, hint=f"declare `{name}` in `{source}:`")
            return None
        message = f"this {'trait' if source == 'traits' else 'group trait'} is not declared"
        hint = did_you_mean(name, declared)
        declare = f"declare it: `{name}: text` in `{source}:`"
        self.world.report(syntax.place, message, name, hint=either(hint, declare))
        return None


@dataclass(frozen=True, slots=True)
class EventScope:
    """Inside `where`: a bare name is a property of the event at hand."""

    world: World

    def path(self, syntax: Syntax, beside_text: bool = False) -> Node | None:
        steps = steps_of(syntax)
        place, text, name = syntax.place, syntax.text, steps[0]
        if syntax.kind == "text_path":
            hint = "the event is the one before `where`; a bare name is its property"
            self.world.report(place, "inside `where` there is only one event", text, "a property's name", hint)
            return None
        if name == "timestamp" and len(steps) == 1:
            return Property(place=place, type=Type.INSTANT, text=text, root="timestamp", path=())
        if name in ("context", "properties"):
            if len(steps) == 1:
                self.world.report(place, f"`{name}` needs a name", name, hint=f"as in {name}.country")
                return None
            return Property(place=place, type=Type.ANY, text=text, root=name, path=steps[1:])
        if self._means_customer(name, len(steps)):
            hint = f"if the event's own property is meant, write properties.{'.'.join(steps)}"
            if name in ("traits", "group"):
                hint = f"ask it outside of `where`, as in count(purchase where total > 100) >= 1 and {text} != null"
            message = "inside `where` only the event itself can be asked"
            self.world.report(place, message, text, "a property of the event", hint)
            return None
        return Property(place=place, type=Type.ANY, text=text, root="properties", path=steps)

    def is_hyphenated(self, syntax: Syntax) -> bool:
        return False  # bare names are properties

    def call(self, syntax: Syntax, checker: ExpressionChecker) -> Node | None:
        name = syntax.parts[0].value
        if name not in FUNCTIONS:
            unknown_function(self.world, syntax, VALUES)
            return None
        message = "inside `where` only the event itself can be asked"
        expected = "one of " + ", ".join(VALUES)
        hint = None
        if name in ("ago", "ahead"):
            hint = f"a window says how recent: count(purchase where ..., {_argument(syntax) or '30d'})"
        self.world.report(syntax.place, message, f"{name}(...)", expected, hint)
        return None

    def _means_customer(self, name: str, length: int) -> bool:
        if name in ("traits", "group"):
            return length > 1
        return length == 1 and (
            name in self.world.facts or name in self.world.dimensions or name in ("now", "first_seen", "last_seen")
        )


def _argument(syntax: Syntax) -> str | None:
    return syntax.parts[1].text if len(syntax.parts) == 2 else None
