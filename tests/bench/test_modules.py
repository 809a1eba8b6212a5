"""Every piece of the bench that needs nothing but the checkout can be loaded: nobody finds out in a measured run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"bench.drawing", "bench.rivals.plots", "bench.rivals.quix", "bench.rivals.faust_tables"}
"""They run in environments of their own, with what the worker does not need."""

MODULES = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "bench").rglob("*.py"))


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ELSEWHERE])
def test_a_module_of_the_bench_can_be_loaded(module: str) -> None:
    import_module(module)
