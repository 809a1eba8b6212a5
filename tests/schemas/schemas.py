"""The schemas and examples as files, and a validator for each."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs

FOLDER = Path(__file__).parents[2] / "schemas"

SCHEMA_OF_TOPIC = {
    "customer-events": "event.v1",
    "segment-changes": "segment-change.v1",
    "segment-memberships": "segment-membership.v1",
}


def load(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text())
    return schema


@lru_cache
def validator(name: str) -> Any:
    return jsonschema_rs.validator_for(load(name), validate_formats=True)


def faults(name: str, value: Any) -> list[str]:
    """What the schema finds wrong, empty when nothing."""
    return [f"{error.instance_path}: {error.message}" for error in validator(name).iter_errors(value)]


def examples(kind: str, topic: str | None = None) -> list[Any]:
    """Records of examples/valid or examples/invalid, each with its file's name as `name`."""
    found = []
    for file in sorted((FOLDER / "examples" / kind).glob("*.json")):
        example = {**json.loads(file.read_text()), "name": file.stem}
        if topic in (None, example["topic"]):
            found.append(example)
    return found


def names_of(records: list[Any]) -> list[str]:
    return [record["name"] for record in records]
