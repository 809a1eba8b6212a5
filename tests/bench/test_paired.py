"""Two checkouts are compared commit by commit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = re.compile(
    r"(.+): \d+\.\d\d us: take \d+\.\d\d  prepare \d+\.\d\d  produce \d+\.\d\d  store \d+\.\d\d; (\d\.\d+) \[.*\]"
)


def paired(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.paired", "--rounds", "3", "--customers", "50", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("of", [[], ["--wakes"]])
def test_each_tree_has_a_line_and_the_first_is_compared_with_itself(of: list[str]) -> None:
    done = paired(*of, ".", str(ROOT))

    assert done.returncode == 0, done.stderr
    found = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    assert [match and match[1] for match in found] == [".", str(ROOT)]
    assert found[0] is not None and float(found[0][2]) == 1.0


def test_a_folder_that_is_no_checkout_is_named_before_anything_starts(tmp_path: Path) -> None:
    done = paired(".", str(tmp_path))

    assert done.returncode == 2
    assert f"{tmp_path}: found no folder `stream`" in done.stderr


def test_a_tree_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "__init__.py").write_text("raise RuntimeError('broken on purpose')")

    done = paired(".", str(tmp_path))

    assert done.returncode == 1
    assert "broken on purpose" in done.stderr and f"{tmp_path}: its process ended" in done.stderr
