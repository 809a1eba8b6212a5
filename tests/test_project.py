"""What a fresh clone must be: portable, locked, and with a compose file that fits the folders beside it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.config import load_settings

ROOT = Path(__file__).parents[1]
LOCKS = sorted([*(ROOT / "requirements").glob("*.txt"), *(ROOT / "bench/rivals").glob("requirements-*.txt")])
ONE_SHOT = "service_completed_successfully"

# Written in pieces, so that this file passes its own test.
REGISTRIES = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "crates" + ".io",
    "proxy.golang" + ".org",
    "repo.maven" + ".apache.org",
    "repo1.maven" + ".org",
    "deb.debian" + ".org",
    "security.debian" + ".org",
]
MACHINE_PATHS = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/"]


def tracked_texts() -> dict[str, str]:
    """Name and text of every file that git tracks here; files that are not text are left out."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so there is nothing to say about tracked files")
    texts = {}
    for name in filter(None, listed.split("\0")):
        try:
            texts[name] = (ROOT / name).read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return texts


def lines_with(words: list[str]) -> list[str]:
    pattern = re.compile("|".join(map(re.escape, words)))
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in tracked_texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


SERVICES: dict[str, dict[str, Any]] = compose()["services"]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert lines_with(REGISTRIES) == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATHS) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_one_version_and_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text("utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text[re.search(r"^[a-z0-9]", text, re.M).start() :])  # type: ignore[union-attr]

    assert "://" not in text
    assert "index-url" not in text
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==[^\s\\]+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_what_runs_in_production_is_locked_as_it_was_tested() -> None:
    versions = {lock.name: dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.M)) for lock in LOCKS}

    for name in ("run.txt", "build.txt"):
        assert versions[name].items() <= versions["dev.txt"].items()
    assert versions["compile.txt"]["setuptools"] == versions["dev.txt"]["setuptools"]


def test_every_dependency_of_the_project_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.split(r"[^A-Za-z0-9._-]", text)[0].lower().replace("_", "-") for text in project["dependencies"]}

    locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements/run.txt").read_text("utf-8"), re.M))

    assert wanted <= locked, "run: make lock"


def test_what_is_compiled_is_there_and_holds_the_whole_core() -> None:
    named = next(
        node.value
        for node in ast.parse((ROOT / "setup.py").read_text("utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "IN_AN_EVENTS_WAY"
    )
    found = {pattern: list(ROOT.glob(pattern)) for pattern in ast.literal_eval(named)}

    assert [pattern for pattern, files in found.items() if not files] == []
    assert {"stream/core/*.py", "stream/codec/*.py"} <= found.keys()


def test_the_compose_file_uses_the_present_format() -> None:
    assert "version" not in compose()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_a_pinned_image(name: str) -> None:
    image = SERVICES[name]["image"]

    assert re.fullmatch(r"[a-z0-9/._-]+:v?\d+(\.\d+)+", image), f"{image}: expected a tag with the whole version"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_or_ends_by_itself(name: str) -> None:
    waits = [other.get("depends_on", {}).get(name, {}).get("condition") for other in SERVICES.values()]

    if ONE_SHOT in waits:
        assert SERVICES[name]["restart"] == "no"
    else:
        assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_only_for_services_that_can_fulfil_the_condition(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        assert wait["condition"] in {"service_started", "service_healthy", ONE_SHOT}
        if wait["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_or_builds_is_there(name: str) -> None:
    service = SERVICES[name]
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists(), mount
        else:
            assert source in compose()["volumes"], mount
    if "build" in service:
        assert (ROOT / service["build"] / "Dockerfile").exists()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_reachable_from_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_image_is_built_from_files_that_are_there_and_does_not_run_as_root() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M) for word in line.split()[:-1]]

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert re.search(r"^USER (?!root)", text, re.M)
    assert "/livez" in text


def test_dashboards_show_only_metrics_of_ours_from_the_provisioned_source() -> None:
    source = yaml.safe_load((ROOT / "ops/grafana/provisioning/datasources/prometheus.yaml").read_text("utf-8"))
    uid = source["datasources"][0]["uid"]

    for path in (ROOT / "ops/grafana/dashboards").glob("*.json"):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            assert panel["datasource"]["uid"] == uid
            assert panel["description"]
            assert all("segmenter" in target["expr"].lower() or "$job" in target["expr"] for target in panel["targets"])


def test_the_settings_of_the_compose_file_are_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("SEGMENTER_")]:
        monkeypatch.delenv(variable)

    settings = load_settings(ROOT / "ops/settings.yaml", {})

    mounted = [mount.split(":")[1] for mount in SERVICES["worker-1"]["volumes"]]
    assert {str(settings.definitions), str(settings.data_dir)} <= set(mounted)
    assert settings.kafka_properties()["bootstrap.servers"] == "kafka:19092"
    assert settings.listen.port == 9464
