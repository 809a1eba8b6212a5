"""The house's order: imports point down, and each outside library has one room.

cli -> app -> (kafka, store) -> engine -> codec, rules -> core -> errors
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

STREAM = Path(__file__).parents[1] / "stream"

# What each part may import of ours besides itself. A file directly in stream/ is a part of its own.
MAY_IMPORT = {
    "errors": set(),
    "core": {"errors"},
    "rules": {"core", "errors"},
    "codec": {"core", "errors"},
    "engine": {"codec", "rules", "core", "errors"},
    "kafka": {"engine", "codec", "rules", "core", "errors", "config"},
    "store": {"engine", "codec", "rules", "core", "errors"},
    "verify": {"core", "rules", "codec", "errors", "config"},
    "metrics": {
        "metric_families",
        "metric_labels",
        "revision_metrics",
        "key_metrics",
        "engine",
        "codec",
        "core",
        "errors",
    },
    "metric_labels": {"metric_families", "core"},
    "metric_families": set(),
    "revision_metrics": {"core"},
    "key_metrics": {"codec"},
    "build": {"core"},
    "config": {"setting_values", "errors"},
    "setting_values": set(),
    "app": {"kafka", "store", "engine", "codec", "rules", "core", "errors", "metrics", "config", "build"},
    "cli": {
        "app",
        "verify",
        "kafka",
        "store",
        "engine",
        "codec",
        "rules",
        "core",
        "errors",
        "metrics",
        "config",
        "build",
    },
}

ROOMS = {"faust": {"app"}, "mode": {"app"}, "confluent_kafka": {"kafka", "verify"}, "rocksdict": {"store"}}

CLOCKLESS = {"core", "rules", "codec"}
CLOCKS = {"time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "datetime.now"}
CLOCKS |= {"datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now", "datetime.date.today"}


@dataclass(frozen=True)
class Import:
    part: str
    file: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"stream/{self.file}:{self.line} imports {self.target}"


def sources() -> Iterator[tuple[str, Path]]:
    """Every source file with the part it belongs to."""
    for path in sorted(STREAM.rglob("*.py")):
        inside = path.relative_to(STREAM)
        part = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        if part != "__init__":
            yield part, path


def imports() -> list[Import]:
    """Every import anywhere in a file, also in functions and for types only. `from a import b` counts as a.b."""
    found = []
    for part, path in sources():
        package = ["stream", *path.relative_to(STREAM).parts[:-1]]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                targets = [f"{module}.{alias.name}" for alias in node.names]
            else:
                continue
            found += [Import(part, str(path.relative_to(STREAM)), node.lineno, target) for target in targets]
    return found


IMPORTS = imports()
OURS = [found for found in IMPORTS if found.target.startswith("stream.") and found.target != "stream.__version__"]


def test_every_part_of_the_house_has_its_place_in_the_order() -> None:
    parts = {part for part, _ in sources()}

    assert parts <= set(MAY_IMPORT), "name the new part, and what it may import, in MAY_IMPORT"


def test_imports_point_down() -> None:
    wrong = [
        str(found)
        for found in OURS
        if (target := found.target.split(".")[1]) != found.part and target not in MAY_IMPORT[found.part]
    ]

    assert wrong == []


@pytest.mark.parametrize("library", ROOMS)
def test_an_outside_library_has_one_room(library: str) -> None:
    wrong = [
        str(found) for found in IMPORTS if found.target.split(".")[0] == library and found.part not in ROOMS[library]
    ]

    assert wrong == []


def test_only_the_reader_of_topics_in_the_verifier_knows_kafka_and_the_settings() -> None:
    outside = {"confluent_kafka", "stream.config"}
    files = {found.file for found in IMPORTS if found.part == "verify" and any(map(found.target.startswith, outside))}

    assert files == {"verify/kafka_log.py"}


def test_the_core_needs_nothing_but_the_standard_library() -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if found.part in {"core", "errors"}
        and (top := found.target.split(".")[0]) != "stream"
        and top not in sys.stdlib_module_names
    ]

    assert wrong == []


def test_the_order_of_the_parts_holds_no_cycle() -> None:
    placed: set[str] = set()
    while waiting := set(MAY_IMPORT) - placed:
        ready = {part for part in waiting if MAY_IMPORT[part] <= placed}
        assert ready, f"these import each other in a circle: {sorted(waiting)}"
        placed |= ready


def test_no_two_files_import_each_other_in_a_circle_when_they_are_loaded() -> None:
    graph = {module_of(path): loaded_by(path) for _, path in sources()}
    placed: set[str] = set()
    while waiting := set(graph) - placed:
        ready = {module for module in waiting if (graph[module] & set(graph)) <= placed | {module}}
        assert ready, f"these import each other in a circle: {sorted(waiting)}"
        placed |= ready


def test_the_pure_parts_never_ask_the_machine_for_the_time() -> None:
    wrong = [
        f"stream/{path.relative_to(STREAM)}:{node.lineno} calls {name}"
        for part, path in sources()
        if part in CLOCKLESS or (part == "verify" and path.name != "kafka_log.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in CLOCKS
    ]

    assert wrong == []


def module_of(path: Path) -> str:
    inside = path.relative_to(STREAM.parent).with_suffix("")
    parts = inside.parts[:-1] if inside.name == "__init__" else inside.parts
    return ".".join(parts)


MODULES = {module_of(path) for _, path in sources()}


def loaded_by(path: Path) -> set[str]:
    """The modules of ours that loading this file loads: not those imported in functions or for types only."""
    found: set[str] = set()
    waiting: list[ast.stmt] = list(ast.parse(path.read_text("utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:  # `from stream.rules import parse` means the module stream.rules.parse
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            waiting += [*node.body, *node.orelse, *node.finalbody]
    return found - {module_of(path)}
