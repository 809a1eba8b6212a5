"""Asks whether known vulnerabilities concern the locked packages. `make audit` runs it.

    python requirements/audit.py PIP_AUDIT [FILE...]

PIP_AUDIT is the program; FILE a lock file, by default what a worker needs and what develops and tests it.
Exit code 0: every package was asked about, and none is known to be vulnerable. 1: some are. 3: could not ask.
pip-audit itself ends with 0 when the index knows nothing of vulnerabilities; here that is 3.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOCKS = [HERE / "run.txt", HERE / "dev.txt"]
SERVICES = {"pypi": "the package index", "osv": "osv.dev"}
"""Who may know, in the order in which they are asked."""

CLEAN, VULNERABLE, NOT_ASKED = 0, 1, 3
CALL_S = 300.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """An exit code, and the lines that explain it."""

    exit_code: int
    lines: list[str]


def verdict_of(report: dict[str, Any]) -> Verdict:
    """Of pip-audit's JSON report. A vulnerable package weighs more than one that nobody could tell of."""
    packages = report["dependencies"]
    vulnerable = [
        f"{package['name']} {package['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'none'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    untold = [package for package in packages if "skip_reason" in package]
    if vulnerable:
        return Verdict(VULNERABLE, vulnerable)
    if untold or not packages:
        return Verdict(NOT_ASKED, [f"of {len(untold)} of {len(packages)} packages nothing could be learned"])
    return Verdict(CLEAN, [f"{len(packages)} packages, none known to be vulnerable"])


def ask(program: str, service: str, lock: Path) -> Verdict:
    """One service about one lock file."""
    command = [program, "-r", str(lock), "--require-hashes", "--disable-pip", "-s", service, "-f", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=CALL_S, check=False
        )
        return verdict_of(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return Verdict(NOT_ASKED, [f"no answer within {CALL_S:.0f} s"])
    except ValueError:  # it ended in an error of its own: no report
        last = done.stderr.strip().splitlines()[-1:] or ["no report"]
        return Verdict(NOT_ASKED, [last[0][:160]])


def main(arguments: list[str]) -> int:
    program, *files = arguments
    codes = []
    for lock in [Path(file) for file in files] or LOCKS:
        for service, name in SERVICES.items():
            verdict = ask(program, service, lock)
            for line in verdict.lines:
                print(f"{lock.name}, {name}: {line}")
            if verdict.exit_code != NOT_ASKED:
                break
        codes.append(verdict.exit_code)
    if VULNERABLE in codes:
        print("VULNERABLE: raise what is named above in pyproject.toml, then `make lock`.")
        return VULNERABLE
    if NOT_ASKED in codes:
        print("COULD NOT ASK: neither service answered for every package; this says nothing about them. Ask again")
        print("where PyPI itself or api.osv.dev can be reached.")
        return NOT_ASKED
    return CLEAN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
