"""The files `segmenter new TEMPLATE` starts from, by name. Each checks without errors and its cases pass."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

TEMPLATES: dict[str, str] = {
    "smallest": "three segments in twenty lines, to see how it goes",
    "shop": "the worked example of the documentation: lifecycle, frequency, recency, win-back, carts",
    "ecommerce": "a web shop: value and rhythm of buyers, carts, browsing, consent, win-back",
    "saas": "software by subscription: trial, activation, habits, plan changes, decline",
    "b2b": "business customers: the company, the tools it uses, the deal, the renewal",
}
"""Template -> what it is for. The text of each is in the file of its name beside this one."""


def names() -> tuple[str, ...]:
    """The templates, the smallest first."""
    return tuple(TEMPLATES)


def read(name: str) -> str:
    """The definitions file of a template; `name` is one of `names()` (KeyError otherwise)."""
    if name not in TEMPLATES:
        raise KeyError(name)
    return files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def path_of(name: str) -> Path:
    """Where the template's file lies (KeyError for an unknown name)."""
    if name not in TEMPLATES:
        raise KeyError(name)
    return Path(str(files(__name__).joinpath(f"{name}.yaml")))
