"""Where results are kept, as JSON: one file per command, written anew whenever something more was measured.

The folder is bench/results, or what BENCH_RESULTS says: so the commands of one measured run find together.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "bench" / "results"
VARIABLE = "BENCH_RESULTS"

Facts = dict[str, str | int | float]


def results_folder() -> Path:
    return Path(os.environ.get(VARIABLE) or FOLDER)


class Result:
    """One command's results. `kind` says which command, `facts` on what machine, `arguments` what it was told."""

    def __init__(self, kind: str, facts: Facts, arguments: Mapping[str, Any]) -> None:
        self._head = {"kind": kind, "facts": facts, "arguments": dict(arguments)}
        self._name = f"{kind}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"

    def write(self, **parts: Any) -> Path:
        """All that is measured so far; whoever is killed while it is written leaves the file as it was."""
        folder = results_folder()
        folder.mkdir(parents=True, exist_ok=True)
        path, unfinished = folder / self._name, folder / f".{self._name}"
        unfinished.write_text(json.dumps({**self._head, **parts}, indent=1, default=_told) + "\n", "utf-8")
        unfinished.replace(path)
        return path


def _told(value: object) -> str:
    """A path as it is named in the checkout: where that lies on some machine is nobody's business."""
    return str(value.relative_to(ROOT) if isinstance(value, Path) and value.is_relative_to(ROOT) else value)
