"""Apache Kafka itself, one KRaft node on loopback, from its own jars: the broker that scenario tests torment.

The jars come by `mvn` once into `.kafka/` of the checkout: of the version that `broker/pom.xml` names, or of another:

    make test KAFKA=required KAFKA_VERSION=4.4.0

Every broker has its own directory and free ports.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.kafka.ports import lasting_ports

HERE = Path(__file__).parent / "broker"
CACHE = Path(__file__).parents[2] / ".kafka"
CLUSTER_ID = "c2VnbWVudGVyLXRlc3RzMQ"  # 16 bytes in base64, as StorageTool wants it
START_SECONDS = 60.0  # 6 on an idle machine with two cores
STOP_SECONDS = 20.0

# What a single node for tests needs: few internal partitions (each costs files and time), no replicas, no patience.
BROKER_PROPERTIES = {
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "4000",  # a killed broker's next life is refused for that long
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.backoff.ms": "1000",  # how soon compaction looks again
    "log.retention.ms": "-1",
    "message.max.bytes": str(4 * 1024 * 1024),
    "num.partitions": "1",
    "offsets.topic.num.partitions": "5",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
}


class KafkaFailed(Exception):
    """The broker could not be installed or started; the message holds what its tools printed."""


def missing_programs() -> list[str]:
    """Which of the programs that Apache Kafka needs are not on the PATH."""
    return [program for program in ("java", "mvn") if shutil.which(program) is None]


def kafka_jars() -> Path:
    """The folder with the broker's jars, filled by mvn the first time and again when the pom, or the version wanted,
    is another."""
    pom, version = HERE / "pom.xml", os.environ.get("KAFKA_VERSION", "")
    jars = CACHE / f"jars-{hashlib.sha256(pom.read_bytes() + version.encode()).hexdigest()[:12]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:  # the runs of one `make test` would fetch them at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.is_dir():
            _fetch(pom, jars, [f"-Dkafka.version={version}"] if version else [])
    return jars


def _fetch(pom: Path, jars: Path, more: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as unfinished:
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime", *more]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={unfinished}/jars"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise KafkaFailed(f"mvn could not fetch the jars of Apache Kafka:\n{done.stdout}{done.stderr}")
        os.rename(f"{unfinished}/jars", jars)


class ApacheKafka:
    """One broker. `with ApacheKafka() as kafka:` starts it and removes all it wrote at the end.

    bootstrap       where clients connect
    proxy_target    where a TCP proxy between clients and the broker connects to (a listener of its own)
    proxy_address   where that proxy must listen: the broker names it to the clients that come through

    `light` False gives the broker Java's full compiler, for measurements; it then starts more slowly.
    """

    def __init__(self, properties: dict[str, str] | None = None, *, memory: str = "512m", light: bool = True) -> None:
        client, proxied, advertised, controller = lasting_ports(4)
        self.bootstrap = f"127.0.0.1:{client}"
        self.proxy_target = f"127.0.0.1:{proxied}"
        self.proxy_address = f"127.0.0.1:{advertised}"
        self.directory = Path(tempfile.mkdtemp(prefix="segmenter-kafka-"))
        self._controller = f"127.0.0.1:{controller}"
        self._memory = memory
        self._light = light
        self._extra = properties or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """What the broker printed and warned of so far."""
        files = [self.directory / "stdout.log", self.directory / "broker.log"]
        return "".join(path.read_text("utf-8", "replace") for path in files if path.exists())

    def start(self) -> None:
        """Start the broker on its directory, formatted the first time; blocks until it answers clients."""
        assert self._process is None, "the broker runs already"
        if not (self.directory / "server.properties").exists():
            self._format()
        with open(self.directory / "stdout.log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._java(f"-Xmx{self._memory}", "kafka.Kafka"), str(self.directory / "server.properties")],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the tests, and they the broker
            )
        try:
            self._wait_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the broker in an orderly way (SIGTERM). Its data stays until `remove`."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End the broker as a power cut does (SIGKILL)."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Stop and start again with the same data and ports."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the broker: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop the broker and delete its directory."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> ApacheKafka:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.remove()

    def _format(self) -> None:
        properties = self.directory / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        command = [*self._java("-Xmx128m", "kafka.tools.StorageTool"), "format"]
        done = subprocess.run(
            [*command, "--cluster-id", CLUSTER_ID, "--config", str(properties), *self._format_options()],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise KafkaFailed(f"the storage of Apache Kafka could not be formatted:\n{done.stdout}{done.stderr}")

    def _format_options(self) -> list[str]:
        """More for StorageTool; for a subclass to say."""
        return []

    def _properties(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{self._controller}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
            "listeners": (
                f"PLAINTEXT://{self.bootstrap},PROXIED://{self.proxy_target},CONTROLLER://{self._controller}"
            ),
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},PROXIED://{self.proxy_address}",
            "log.dirs": str(self.directory / "data"),
            **BROKER_PROPERTIES,
            **self._extra,
        }

    def _java(self, heap: str, main: str) -> list[str]:
        logging = [f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-Dlog4j2.disable.jmx=true"]
        logging.append(f"-Dbroker.log={self.directory / 'broker.log'}")
        # One collector thread and the quick compiler only: the broker shares two cores with what is tested.
        light = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] if self._light else []
        return ["java", heap, *light, *logging, "-cp", f"{kafka_jars()}/*", main]

    def _wait_ready(self) -> None:
        assert self._process is not None
        # Refused connections while it starts are expected, so the client's own log is muted.
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise KafkaFailed(f"Apache Kafka ended with status {self._process.returncode}:\n{self.log}")
            try:
                if admin.list_topics(timeout=1.0).brokers:
                    return
            except KafkaException:
                continue
        raise KafkaFailed(f"Apache Kafka does not answer on {self.bootstrap} after {START_SECONDS:.0f} s:\n{self.log}")
