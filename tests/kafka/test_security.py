"""TLS and SASL on Apache Kafka: by file and by environment, and what is said when brokers do not let us in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.cli.templates import path_of
from tests.kafka.fixtures import Topics
from tests.kafka.pipeline import Pipeline
from tests.kafka.ports import lasting_port
from tests.kafka.secure import KEY_PASSWORD, PASSWORD, USER, Certificates, SecureKafka

SMALLEST = path_of("smallest")
ORDER = {"type": "track", "event": "Order Completed", "messageId": "m-1"}
COMMANDS = {
    "worker": ("worker",),
    "create": ("topics", "create"),
    "check": ("topics", "check"),
    "explain": ("explain", "kim"),
}
WRONG = "canary-wrong-password-4711"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(certificates: Certificates, needs_kafka: None) -> Iterator[SecureKafka]:
    with SecureKafka(certificates) as running:
        yield running


def sasl_over_tls(broker: SecureKafka, certificates: Certificates) -> dict[str, str]:
    """Everything a client needs but the password."""
    return {
        "bootstrap.servers": broker.sasl,
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(certificates.ca),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": USER,
    }


def mutual_tls(broker: SecureKafka, certificates: Certificates) -> dict[str, str]:
    """Everything a client needs but the password of its key."""
    return {
        "bootstrap.servers": broker.tls,
        "security.protocol": "SSL",
        "ssl.ca.location": str(certificates.ca),
        "ssl.certificate.location": str(certificates.client_certificate),
        "ssl.key.location": str(certificates.client_key),
    }


@contextmanager
def pipeline(broker: SecureKafka, directory: Path, kafka: dict[str, Any]) -> Iterator[Pipeline]:
    """Its commands and workers get these properties; the test itself reads and writes in clear text."""
    prefix = Topics(broker.bootstrap).prefix
    with Pipeline(broker.bootstrap, prefix, directory, 1, SMALLEST, {"kafka": kafka}) as running:
        yield running


def check_that_it_works(running: Pipeline) -> None:
    """Topics are made by now: check them, let a worker do its work, ask for a customer; no secret in any output."""
    config = str(running.config("a"))
    checked = running.run("topics", "check", "--config", config)
    shown = running.run("config", "show", "--config", config)
    worker = running.start_ready(SEGMENTER_LOG="debug")
    running.send([("kim", ORDER, int(time.time() * 1000))])
    running.wait_caught_up()
    explained = running.run("explain", "kim", "--config", config)
    assert worker.stop() == 0
    assert [change["segment"] for change in running.changes()] == ["newcomer"]
    assert "newcomer: in since" in explained.stdout
    said = "".join(done.stdout + done.stderr for done in (checked, shown, explained)) + worker.log
    assert PASSWORD not in said and KEY_PASSWORD not in said


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_pipeline_runs_over_sasl_and_tls_set_in_the_settings_file(
    broker: SecureKafka, certificates: Certificates, tmp_path: Path, mechanism: str
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    kafka = sasl_over_tls(broker, certificates) | {
        "sasl.mechanism": mechanism, "sasl.password": {"file": str(tmp_path / "password")},
    }  # fmt: skip

    with pipeline(broker, tmp_path / "run", kafka) as running:
        check_that_it_works(running)


def test_a_pipeline_runs_over_tls_with_a_certificate_of_its_own_set_by_environment(
    broker: SecureKafka, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = mutual_tls(broker, certificates) | {"ssl.key.password": KEY_PASSWORD}
    for name, value in properties.items():
        monkeypatch.setenv("SEGMENTER_KAFKA__" + name.upper().replace(".", "_"), value)

    with pipeline(broker, tmp_path / "run", {}) as running:
        check_that_it_works(running)


class Refused:
    """What clients may get wrong: properties over the right ones, and the words that must be said of it."""

    def __init__(self, words: str, exit_code: int = 1, **changed: str) -> None:
        self.words = words
        self.exit_code = exit_code
        self.changed = {name.replace("_", "."): value for name, value in changed.items()}


FAULTS = {
    "wrong password": Refused("do not let us in: SASL authentication error", sasl_password=WRONG),
    "wrong password, PLAIN": Refused(
        "do not let us in: SASL authentication error", sasl_mechanism="PLAIN", sasl_password=WRONG
    ),
    "wrong user": Refused("do not let us in: SASL authentication error", sasl_username="canary-nobody"),
    "unknown mechanism": Refused("supported mechanisms: SCRAM-SHA-512", sasl_mechanism="SCRAM-SHA-256"),
    "wrong CA": Refused("certificate verify failed", ssl_ca_location="{other_ca}"),
    "wrong host name": Refused("certificate verify failed", bootstrap_servers="localhost:{sasl_port}"),
    "clear text to TLS": Refused("no answer from the brokers", security_protocol="PLAINTEXT"),
    "TLS to clear text": Refused("PLAINTEXT broker listener", bootstrap_servers="{clear}"),
    "no certificate of our own": Refused("bad certificate", bootstrap_servers="{tls}", security_protocol="SSL"),
    "no such CA file": Refused("kafka: ", 4, ssl_ca_location="/nowhere/ca.pem"),
}
TRIED = [
    ("wrong password", "worker"), ("wrong password", "explain"), ("wrong password, PLAIN", "create"),
    ("wrong user", "check"), ("unknown mechanism", "worker"), ("wrong CA", "worker"), ("wrong CA", "create"),
    ("wrong CA", "explain"), ("wrong host name", "worker"), ("clear text to TLS", "check"),
    ("TLS to clear text", "worker"), ("no certificate of our own", "worker"), ("no such CA file", "worker"),
    ("no such CA file", "explain"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "command"), TRIED)
def test_who_is_not_let_in_is_told_why_in_one_line_without_a_secret(
    broker: SecureKafka, certificates: Certificates, tmp_path: Path, fault: str, command: str
) -> None:
    refused = FAULTS[fault]
    places = {
        "other_ca": certificates.other_ca, "sasl_port": broker.sasl.rpartition(":")[2], "clear": broker.bootstrap,
        "tls": broker.tls,
    }  # fmt: skip
    changed = {name: value.format_map(places) for name, value in refused.changed.items()}
    environment = {**os.environ, "THE_PASSWORD": changed.pop("sasl.password", PASSWORD)}
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        yaml.safe_dump(
            {
                "name": "shop", "definitions": str(SMALLEST), "data_dir": str(tmp_path / "data"),
                "listen": f"127.0.0.1:{lasting_port()}", "log": "debug",
                "kafka": sasl_over_tls(broker, certificates) | {"sasl.password": {"env": "THE_PASSWORD"}} | changed,
            }
        )
    )  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-m", "stream.cli", *COMMANDS[command], "--config", str(settings)],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip

    assert done.returncode == refused.exit_code, done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == "", done.stderr
    assert refused.words in done.stderr
    assert environment["THE_PASSWORD"] not in done.stderr


@pytest.mark.parametrize("frozen", [False, True], ids=["at rest", "in mid commit"])
def test_a_worker_whose_password_is_changed_while_it_runs_says_so_and_repeats_no_secret(
    broker: SecureKafka, certificates: Certificates, tmp_path: Path, frozen: bool
) -> None:
    """It is refused where it next must log in. It goes on, or ends and is started again: its log says why."""
    (tmp_path / "password").write_text(PASSWORD)
    kafka = sasl_over_tls(broker, certificates) | {
        "sasl.mechanism": "PLAIN", "sasl.password": {"file": str(tmp_path / "password")},
    }  # fmt: skip
    with pipeline(broker, tmp_path / "run", kafka) as running:
        freeze = {"SEGMENTER_CRASH_AT": "before-commit:2:freeze"} if frozen else {}
        worker = running.start_ready(SEGMENTER_LOG="debug", **freeze)
        if frozen:
            for customer in ("kim", "lee"):
                running.send([(customer, ORDER, int(time.time() * 1000))])
                running.wait_for(lambda: running.caught_up() or worker.frozen, worker=worker)
            running.wait_for(lambda: worker.frozen, worker=worker)
        properties = broker.directory / "server.properties"
        before = properties.read_text()
        properties.write_text(before.replace(f'user_{USER}="{PASSWORD}"', f'user_{USER}="changed"'))

        def says_why() -> bool:
            running.supervise(running.workers[-1], SEGMENTER_LOG="debug")
            return "Authentication failed" in worker.log

        try:
            broker.restart()
            if frozen:
                worker.thaw()
            running.wait_for(says_why)
        finally:
            properties.write_text(before)
            broker.restart()
        assert PASSWORD not in worker.log
