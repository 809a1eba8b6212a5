"""Laws of what deploys a worker: the unit and the manifests fit each other, the image, the settings and the routes."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from stream.config import ENVIRONMENT_PREFIX, KAFKA_PREFIX, Settings, load_settings
from stream.rules.load import parse_definitions
from tests.ops.prometheus import RULES

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "ops/kubernetes"
UNIT = ROOT / "ops/systemd/segmenter.service"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
OF_OTHERS = {"kustomization.yaml", "podmonitor.yaml", "prometheusrule.yaml"}
"""Kinds that are not Kubernetes' own."""
KUBERNETES_VERSIONS = ("1.29", "1.37")
"""The oldest with everything the manifests use as stable, and the newest whose schemas the package carries."""

ROUTES = set(re.findall(r'^        "(/\w+)":', (ROOT / "stream/app/http.py").read_text("utf-8"), re.M))
KEYS = {info.alias or field for field, info in Settings.model_fields.items()}
MANIFESTS = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted(KUBERNETES.glob("*.yaml"))}
BY_KIND = {each["kind"]: each for each in MANIFESTS.values()}
STATEFUL_SET: dict[str, Any] = BY_KIND["StatefulSet"]["spec"]
POD: dict[str, Any] = STATEFUL_SET["template"]["spec"]
WORKER: dict[str, Any] = POD["containers"][0]
(GENERATOR,) = MANIFESTS["kustomization.yaml"]["configMapGenerator"]
CONFIG = {Path(name).name: (KUBERNETES / name).read_text("utf-8") for name in GENERATOR["files"]}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
COMPOSE_WORKERS = {name: service for name, service in COMPOSE.items() if service.get("command", [""])[0] == "worker"}


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    return monkeypatch


# -- Kubernetes


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("name", [name for name in MANIFESTS if name not in OF_OTHERS])
def test_a_manifest_is_right_by_kubernetes_own_schema(name: str, version: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_a_wrong_manifest_would_be_found() -> None:
    wrong = {**BY_KIND["PodDisruptionBudget"], "spec": {"maxUnavailable": 1, "selectr": {}}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES_VERSIONS[0], strict=True)


def test_every_manifest_is_deployed() -> None:
    assert set(MANIFESTS["kustomization.yaml"]["resources"]) == set(MANIFESTS) - {"kustomization.yaml"}
    assert {path.name for path in (KUBERNETES / "config").iterdir()} == CONFIG.keys()


def test_the_operators_rules_are_those_of_prometheus() -> None:
    spec = importlib.util.spec_from_file_location("rules_build", KUBERNETES / "build.py")
    assert spec and spec.loader
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    path = KUBERNETES / "prometheusrule.yaml"

    assert path.read_text("utf-8") == build.text(), "write it anew: python ops/kubernetes/build.py"
    assert MANIFESTS[path.name]["spec"] == yaml.safe_load(RULES.read_text("utf-8"))


def test_the_job_of_the_pods_tells_their_namespace_and_is_one_that_the_alerts_watch() -> None:
    assert "jobLabel" not in BY_KIND["PodMonitor"]["spec"]  # then the operator takes namespace and name
    job = f"any-namespace/{BY_KIND['PodMonitor']['metadata']['name']}"
    asked = set(re.findall(r'job=~"([^"]+)"', RULES.read_text("utf-8")))

    assert asked and all(re.fullmatch(pattern, job) for pattern in asked)
    assert not re.search(r'job="', RULES.read_text("utf-8"))


def test_all_select_the_pods_of_the_stateful_set() -> None:
    labels = STATEFUL_SET["template"]["metadata"]["labels"]

    assert STATEFUL_SET["selector"]["matchLabels"] == labels
    assert BY_KIND["Service"]["spec"]["selector"] == labels
    assert BY_KIND["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert BY_KIND["PodMonitor"]["spec"]["selector"]["matchLabels"] == labels
    assert STATEFUL_SET["serviceName"] == BY_KIND["Service"]["metadata"]["name"]


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_a_probe_asks_a_route_that_is_open_and_there(probe: str) -> None:
    asked = WORKER[probe]["httpGet"]

    assert asked["path"] == ("/readyz" if probe == "readinessProbe" else "/livez")
    assert asked["path"] in ROUTES
    assert asked["port"] in {port["name"] for port in WORKER["ports"]}


def test_a_monitor_scrapes_the_route_of_the_metrics() -> None:
    (endpoint,) = BY_KIND["PodMonitor"]["spec"]["podMetricsEndpoints"]

    assert endpoint["path"] == "/metrics" and endpoint["path"] in ROUTES
    assert endpoint["port"] in {port["name"] for port in WORKER["ports"]}


def manifest_settings(directory: Path, environment: pytest.MonkeyPatch) -> Settings:
    """The settings of the config map as the pod segmenter-1 reads them."""
    environment.setenv("POD_NAME", "segmenter-1")
    for each in WORKER["env"]:
        if "secretKeyRef" in each["valueFrom"]:
            environment.setenv(each["name"], "secret-of-the-cluster")
    path = directory / "settings.yaml"
    path.write_text(CONFIG["settings.yaml"])
    return load_settings(path, {})


def test_ports_instance_volumes_and_secret_of_a_pod_are_those_of_its_settings(
    bare_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = manifest_settings(tmp_path, bare_environment)
    mounts = {mount["mountPath"]: mount["name"] for mount in WORKER["volumeMounts"]}
    environment = {each["name"]: each["valueFrom"] for each in WORKER["env"]}
    claimed = {claim["metadata"]["name"] for claim in STATEFUL_SET["volumeClaimTemplates"]}

    assert settings.listen.host == "0.0.0.0"  # probes and scrapes come from outside the pod
    assert {port["containerPort"] for port in WORKER["ports"]} == {settings.listen.port}
    assert {port["port"] for port in BY_KIND["Service"]["spec"]["ports"]} == {settings.listen.port}
    assert settings.instance == "segmenter-1"
    assert environment["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert set(environment["KAFKA_PASSWORD"]) == {"secretKeyRef"}
    assert settings.api_token is not None  # beyond loopback
    assert mounts[str(settings.data_dir)] in claimed  # a volume of each pod's own, which outlives it
    assert WORKER["args"] == ["worker", "--config", "/etc/segmenter/settings.yaml"]
    assert mounts["/etc/segmenter"] == "config" and settings.definitions.name in CONFIG
    assert {"name": "config", "configMap": {"name": GENERATOR["name"]}} in POD["volumes"]


def test_the_definitions_of_the_config_map_are_right() -> None:
    assert parse_definitions([("shop.yaml", CONFIG["shop.yaml"])]).segments


def test_a_pod_has_time_to_commit_and_comes_back_within_its_session(
    bare_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    grace_s = POD["terminationGracePeriodSeconds"]
    settings = manifest_settings(tmp_path, bare_environment)

    assert grace_s >= 15
    assert grace_s + 30 <= settings.session_timeout_ms / 1000
    assert POD["enableServiceLinks"] is False  # a service called segmenter would set SEGMENTER_... of its own


def test_neither_the_image_nor_the_pod_runs_as_root() -> None:
    uid = int(re.findall(r"useradd .*--uid (\d+)", DOCKERFILE)[0])
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.M)

    assert uid > 0 and users == ["segmenter"]
    assert POD["securityContext"]["runAsUser"] == POD["securityContext"]["fsGroup"] == uid
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert WORKER["securityContext"]["allowPrivilegeEscalation"] is False
    assert WORKER["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_the_image_is_slim_and_of_the_version_that_is_deployed() -> None:
    (image,) = MANIFESTS["kustomization.yaml"]["images"]
    version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)[0]

    assert {stage.split()[0] for stage in re.findall(r"^FROM (.+)$", DOCKERFILE, re.M)} == {"python:3.11-slim"}
    assert image == {"name": WORKER["image"], "newTag": version}
    assert {service["image"] for service in COMPOSE_WORKERS.values()} == {f"segmenter:{version}"}


# -- compose


def test_each_worker_of_the_compose_file_has_its_own_instance_volume_and_port() -> None:
    def own(name: str) -> tuple[str, str, str]:
        service = COMPOSE_WORKERS[name]
        (data,) = [mount for mount in service["volumes"] if mount.endswith(":/var/lib/segmenter")]
        return service["environment"]["SEGMENTER_INSTANCE"], data, service["ports"][0]

    columns = list(zip(*map(own, COMPOSE_WORKERS), strict=True))

    assert len(COMPOSE_WORKERS) == 2
    assert all(len(set(column)) == 2 for column in columns)


def test_prometheus_scrapes_every_worker_of_the_compose_file() -> None:
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text("utf-8"))
    targets = {
        target for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    }

    assert targets == {f"{name}:9464" for name in COMPOSE_WORKERS}


# -- systemd


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text("utf-8"), re.M):
        found.setdefault(key, []).append(value)
    return found


def test_the_unit_is_right_by_systemds_own_check(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        assert "systemd" in (ROOT / ".ci/run").read_text("utf-8")  # where it must be, it is installed
        pytest.skip("systemd-analyze is not here; the other tests of the unit hold its structure")
    program = tmp_path / "segmenter"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    checked = tmp_path / UNIT.name
    checked.write_text(UNIT.read_text("utf-8").replace("/opt/segmenter/bin/segmenter", str(program)))

    done = subprocess.run(["systemd-analyze", "verify", str(checked)], capture_output=True, text=True, check=False)

    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])


def test_the_unit_names_settings_that_exist_and_a_folder_that_is_its_own() -> None:
    assigned = dict(each.split("=", 1) for line in unit()["Environment"] for each in line.split())
    keys = {name.removeprefix(ENVIRONMENT_PREFIX).lower() for name in assigned if not name.startswith(KAFKA_PREFIX)}

    assert keys <= KEYS
    assert assigned["SEGMENTER_DATA_DIR"] == f"/var/lib/{unit()['StateDirectory'][0]}"


def test_the_unit_starts_again_what_a_start_can_mend_and_leaves_time_to_commit() -> None:
    codes = {
        int(code)
        for code in re.findall(r"^    exit_code(?:: \S+)? = (\d)", (ROOT / "stream/errors.py").read_text("utf-8"), re.M)
    }
    prevented = {int(code) for code in unit()["RestartPreventExitStatus"][0].split()}

    assert unit()["Restart"] == ["on-failure"]
    assert prevented == {2, *codes} - {1, 7}  # 7 is verify's
    assert int(unit()["TimeoutStopSec"][0]) >= 15
    assert unit()["DynamicUser"] == ["yes"] and "User" not in unit()


def test_the_unit_waits_for_the_clock_without_which_a_worker_refuses_to_start() -> None:
    for key in ("Wants", "After"):
        assert {"network-online.target", "time-sync.target"} <= set(unit()[key][0].split())
