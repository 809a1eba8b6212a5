"""What `make audit` makes of pip-audit's answers: silence is not innocence."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "requirements" / "audit.py"
SPEC = importlib.util.spec_from_file_location("audit", SCRIPT)
assert SPEC is not None and SPEC.loader is not None
audit = importlib.util.module_from_spec(SPEC)
sys.modules["audit"] = audit  # a dataclass looks its module up
SPEC.loader.exec_module(audit)

CLEAN = {"name": "orjson", "version": "3.13.0", "vulns": []}
UNTOLD = {"name": "lark", "skip_reason": "Dependency not found on PyPI and could not be audited: lark (1.3.1)"}
BAD = {"name": "aiohttp", "version": "3.9.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.9.2"], "aliases": []}]}


@pytest.mark.parametrize(
    ("packages", "code"),
    [
        ([CLEAN], audit.CLEAN),
        ([CLEAN, UNTOLD], audit.NOT_ASKED),
        ([UNTOLD], audit.NOT_ASKED),
        ([], audit.NOT_ASKED),
        ([CLEAN, BAD], audit.VULNERABLE),
        ([UNTOLD, BAD], audit.VULNERABLE),
    ],
)
def test_only_an_answer_about_every_package_is_a_clean_bill(packages: list[dict[str, Any]], code: int) -> None:
    assert audit.verdict_of({"dependencies": packages}).exit_code == code


def test_a_vulnerability_is_told_with_package_version_and_remedy() -> None:
    assert audit.verdict_of({"dependencies": [BAD]}).lines == ["aiohttp 3.9.0: PYSEC-1, fixed in 3.9.2"]


def program(tmp_path: Path, script: str) -> str:
    path = tmp_path / "pip-audit"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "code", "word"),
    [
        ("echo 'ConnectionError: no such host' >&2; exit 1", 3, "COULD NOT ASK"),
        ("exit 0", 3, "COULD NOT ASK"),
        ("""echo '{"dependencies": [{"name": "a", "skip_reason": "not found"}]}'""", 3, "COULD NOT ASK"),
        ("""echo '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}'""", 0, "none known"),
        (
            """echo '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X", "fix_versions": []}]}]}'
            exit 1""",
            1,
            "VULNERABLE",
        ),
    ],
)
def test_the_exit_code_tells_vulnerable_from_could_not_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str, code: int, word: str
) -> None:
    assert audit.main([program(tmp_path, script)]) == code
    assert word in capsys.readouterr().out


def test_a_second_service_is_asked_when_the_first_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = """case "$*" in *osv*) echo '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}';; esac"""

    assert audit.main([program(tmp_path, script)]) == 0
    assert "osv.dev: 1 packages, none known" in capsys.readouterr().out
