"""Settings: read once at start, from flags, environment, a YAML file and defaults, in this order of precedence.

A flag wins over the environment (`SEGMENTER_COMMIT_INTERVAL=200ms`), the environment over the file, the file over the
default. Any librdkafka property stands under `kafka` (`SEGMENTER_KAFKA__SASL_USERNAME` is `sasl.username`), except
those the worker must own to keep its promises. A value `{file: PATH}` or `{env: NAME}` is read once; secrets come only
so or by environment, and are masked wherever settings are shown. Durations are kept in ms, sizes in bytes.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from stream.errors import ConfigError
from stream.setting_values import (
    TOKEN_CHARACTERS,
    UNITS_BYTES,
    UNITS_MS,
    Address,
    Duration,
    ListenAddress,
    Size,
    Token,
    Wrong,
    format_quantity,
)

ENVIRONMENT_PREFIX = "SEGMENTER_"
KAFKA_PREFIX = "SEGMENTER_KAFKA__"
MASK = "********"
FILE_LIMIT_BYTES = 1 << 20
"""No settings file and no secret is larger; a wrong path to something huge must not be read into memory."""

OWNED = frozenset({
    "acks", "allow.auto.create.topics", "auto.commit.enable", "auto.commit.interval.ms", "auto.offset.reset",
    "client.id", "delivery.timeout.ms", "enable.auto.commit", "enable.auto.offset.store",
    "enable.gapless.guarantee", "enable.idempotence", "enable.partition.eof", "fetch.message.max.bytes", "group.id",
    "group.instance.id", "group.protocol", "group.protocol.type", "group.remote.assignor", "heartbeat.interval.ms",
    "isolation.level", "max.in.flight", "max.in.flight.requests.per.connection", "max.poll.interval.ms",
    "message.max.bytes", "message.send.max.retries", "message.timeout.ms", "metadata.broker.list",
    "offset.store.method", "partition.assignment.strategy", "partitioner", "plugin.library.paths",
    "request.required.acks", "request.timeout.ms", "retries", "session.timeout.ms", "transaction.timeout.ms",
    "transactional.id",
})  # fmt: skip
"""The promises rest on these librdkafka properties, so they can't be passed through."""

SECRET_SETTINGS = frozenset({"api_token"})
"""Of these the file may only name where they are."""

SECRET_PROPERTY = re.compile(r"password|secret|private\.key|\.pem$|assertion|jaas|sasl\.oauthbearer\.config$")

JAVA_PROPERTIES = {
    "sasl.jaas.config": "`sasl.username` and `sasl.password`",
    "ssl.truststore.location": "`ssl.ca.location`, a file of PEM certificates",
}
"""What Java's clients call otherwise, and what librdkafka has in its place."""

SHARED = {"cache_customers": 100, "cache_memory_bytes": 8 << 20, "definitions_rate": 10}
"""The worker's budgets, each divided among its processes, and the least that one of them can do with."""

MOST_PROCESSES = 64
"""Each is a member of the group: more than any machine has cores to spare for."""

NAME_CHARACTERS = 100

_SIZE = "a size like 256KiB, 512MiB"


class _Several(ValueError):
    """Several wrong values inside one setting."""

    def __init__(self, wrongs: list[Wrong]) -> None:
        super().__init__("; ".join(str(wrong) for wrong in wrongs))
        self.wrongs = wrongs


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """What stands for a value that could not be read, so that it is reported together with all others."""

    found: str
    expected: str


_SECRET_IN_FILE = _Unresolved("a secret in the settings file", "{file: PATH} or {env: NAME}")


Name = Annotated[str, Field(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_CHARACTERS - 1}}}$")]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics' names. The prefix stands before everything that is written, so that a rebuild can run beside the
    live one on the same input."""

    input: str
    prefix: str
    changes: str
    memberships: str
    rejected: str
    state: str
    journal: str
    control: str

    @classmethod
    def named(cls, input_topic: str, prefix: str) -> Topics:
        return cls(
            input=input_topic,
            prefix=prefix,
            changes=f"{prefix}segment-changes",
            memberships=f"{prefix}segment-memberships",
            rejected=f"{prefix}customer-events-rejected",
            state=f"{prefix}segmenter-state",
            journal=f"{prefix}segmenter-journal",
            control=f"{prefix}segmenter-control",
        )

    def extra(self, topic: str) -> str:
        """The name of a topic that a definition asks for (`topic: win-back`)."""
        return self.prefix + topic

    @property
    def own(self) -> tuple[str, ...]:
        return (self.input, self.changes, self.memberships, self.rejected, self.state, self.journal, self.control)


class Settings(BaseSettings):
    """Everything a worker is told. Read with `load_settings`, which turns all problems into one ConfigError.

    The text of a field's `description` is what an error says was expected.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False)

    config_file: Path | None = Field(None, description="a path")
    name: Name = Field(description="a name of letters, digits, '.', '_', '-'; it is the group id and never changes")
    input: Name = Field("customer-events", description="a topic's name")
    output_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,50}$", description="the beginning of a topic's name")
    definitions: Path = Field(description="a definitions file, or a folder of them")
    data_dir: Path = Field(Path(".segmenter"), description="a folder that only this worker uses")
    instance: Name = Field(
        default_factory=socket.gethostname, validate_default=True, description="a name that no other worker has"
    )
    processes: int = Field(1, ge=1, le=MOST_PROCESSES, description=f"a number from 1 to {MOST_PROCESSES}")
    start_from: Literal["earliest", "kept", "latest"] = Field("earliest", description="earliest, kept or latest")
    commit_interval_ms: Duration = Field(100, alias="commit_interval", ge=10, le=10_000, description="10ms to 10s")
    transaction_timeout_ms: Duration = Field(
        15_000, alias="transaction_timeout", ge=5_000, le=900_000, description="5s to 15m"
    )
    session_timeout_ms: Duration = Field(
        45_000, alias="session_timeout", ge=1_000, le=1_800_000, description="1s to 30m"
    )
    cache_customers: int = Field(200_000, ge=SHARED["cache_customers"], le=50_000_000, description="a number from 100")
    cache_memory_bytes: Size = Field(
        512 << 20, alias="cache_memory", ge=SHARED["cache_memory_bytes"], description=f"{_SIZE}, from 8MiB"
    )
    max_event_bytes: Size = Field(
        256 << 10, alias="max_event_size", ge=1 << 10, le=16 << 20, description="1KiB to 16MiB"
    )
    grace_ms: Duration = Field(2_000, alias="grace", ge=0, le=3_600_000, description="0 to 1h")
    definitions_rate: int = Field(
        5_000, ge=SHARED["definitions_rate"], le=1_000_000, description="customers a second, from 10"
    )
    silence_hold_ms: Duration = Field(0, alias="silence_hold", ge=0, le=21_600_000, description="0 (never) to 6h")
    reject_stop_ratio: float = Field(0.5, ge=0, le=1, description="a share from 0 (never) to 1")
    listen: ListenAddress = Field(Address("127.0.0.1", 9464), description="host:port")
    api_token: Token = Field(
        None, description=f"a text of {TOKEN_CHARACTERS.start} to {TOKEN_CHARACTERS.stop - 1} characters"
    )
    log: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto, json or console")
    allow_plaintext: bool = Field(False, description="true or false")
    kafka: dict[str, str | SecretStr] = Field(description="librdkafka properties, at least bootstrap.servers")

    _process: int | None = PrivateAttr(None)  # no setting: `member` alone knows

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, EnvironmentSource(settings_cls), FileSource(settings_cls)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_unresolved(cls, value: Any) -> Any:
        if isinstance(value, _Unresolved):
            raise Wrong(value.found, value.expected)
        return value

    @field_validator("kafka", mode="before")
    @classmethod
    def _check_kafka(cls, value: Any, info: ValidationInfo) -> dict[str, str | SecretStr]:
        if not isinstance(value, dict):
            raise Wrong()
        wrongs: list[Wrong] = []
        properties: dict[str, str | SecretStr] = {}
        for key, given in value.items():
            try:
                properties[str(key)] = _kafka_property(str(key), given)
            except Wrong as wrong:
                wrongs.append(wrong)
        # Unknown while allow_plaintext itself is wrong: then that error is enough.
        wrongs.extend(_plaintext_problems(properties, info.data.get("allow_plaintext", True)))
        if wrongs:
            raise _Several(wrongs)
        return properties

    @property
    def topics(self) -> Topics:
        return Topics.named(self.input, self.output_prefix)

    @property
    def transactional_id(self) -> str:
        return f"{self.name}-{self.instance}"

    @property
    def process(self) -> int | None:
        """Which of a worker's several processes these settings are for, from 1; None: for the worker as a whole."""
        return self._process

    def members(self) -> tuple[Settings, ...]:
        """What each process of the worker is told; a single one is told these."""
        return (self,) if self.processes == 1 else tuple(map(self.member, range(1, self.processes + 1)))

    def member(self, number: int) -> Settings:
        """What process `number` of several, from 1, is told: it is a worker with an instance, a folder and a port of
        its own, and its part of the budgets."""
        host, port = self.listen.host, self.listen.port
        member = self.model_copy(
            update={
                "instance": f"{self.instance}-{number}",
                "data_dir": self.data_dir / f"process-{number}",
                "listen": Address(host, port and port + number - 1),  # port 0 is any that is free
                **{field: getattr(self, field) // self.processes for field in SHARED},
            }
        )
        member._process = number
        return member

    def kafka_properties(self) -> dict[str, str]:
        """The properties passed through, secrets in clear: for librdkafka only."""
        return {key: v.get_secret_value() if isinstance(v, SecretStr) else v for key, v in self.kafka.items()}

    def masked(self) -> dict[str, Any]:
        """All settings by the keys of the file, fit to be shown: secrets masked, durations and sizes as text."""
        shown: dict[str, Any] = {}
        for field, info in type(self).model_fields.items():
            value = getattr(self, field)
            if field.endswith("_ms"):
                value = format_quantity(value, UNITS_MS)
            elif field.endswith("_bytes"):
                value = format_quantity(value, UNITS_BYTES)
            elif field == "kafka":
                value = {key: MASK if isinstance(v, SecretStr) else v for key, v in sorted(value.items())}
            elif isinstance(value, SecretStr):
                value = MASK
            elif isinstance(value, Path | Address):
                value = str(value)
            shown[info.alias or field] = value
        return shown


def load_settings(path: Path | None, overrides: Mapping[str, Any]) -> Settings:
    """The settings from flags (`overrides`, by the keys of the file; None means not given), environment, file `path`
    and defaults. ConfigError has one line per problem: the key, what was found, what was expected."""
    given = {key: value for key, value in overrides.items() if value is not None}
    if path is not None:
        given["config_file"] = path
    for key in given.get("kafka") or ():
        if SECRET_PROPERTY.search(key):
            raise ConfigError(
                f"kafka.{key}: found a secret on the command line, expected it in the environment "
                f"({KAFKA_PREFIX}{key.upper().replace('.', '_')}) or as {{file: PATH}} in the settings file"
            )
    try:
        settings = Settings(**given)
        lines = _member_problems(settings)
    except ValidationError as error:
        lines = [line for problem in error.errors() for line in _lines(problem, given)]
    if lines:
        raise ConfigError("\n".join(lines))
    return settings


class EnvironmentSource(PydanticBaseSettingsSource):
    """`SEGMENTER_<KEY>` and `SEGMENTER_KAFKA__<PROPERTY>`.

    Empty variables count as not set. Unknown ones are passed over: an orchestrator puts names of its own beside ours
    (`SEGMENTER_SERVICE_HOST` for a Kubernetes service called segmenter).
    """

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # __call__ reads all fields at once

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in _keys():
            text = os.environ.get(_variable(key), "")
            if text and key != "kafka":
                found[key] = text
        kafka = {
            variable.removeprefix(KAFKA_PREFIX).lower().replace("_", "."): text
            for variable, text in os.environ.items()
            if variable.startswith(KAFKA_PREFIX) and text
        }
        if kafka:
            found["kafka"] = {key: SecretStr(v) if SECRET_PROPERTY.search(key) else v for key, v in kafka.items()}
        return found


class FileSource(PydanticBaseSettingsSource):
    """The YAML file named by a flag or by SEGMENTER_CONFIG_FILE."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # __call__ reads all fields at once

    def __call__(self) -> dict[str, Any]:
        path = self.current_state.get("config_file")
        if path is None:
            return {}
        found = read_settings_file(Path(path))
        if "config_file" in found:
            raise ConfigError(f"{path}: config_file: found inside a settings file, expected only as a flag")
        kafka = found.get("kafka")
        resolved = {key: _resolve_setting(key, value) for key, value in found.items() if key != "kafka"}
        if isinstance(kafka, dict):
            resolved["kafka"] = {str(key): _resolve_kafka(str(key), value) for key, value in kafka.items()}
        elif kafka is not None:
            resolved["kafka"] = kafka
        return resolved


class _StrictLoader(yaml.SafeLoader):
    """A key given twice is an error: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # told below, as every key that is no text
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.constructor.ConstructorError(None, None, f"line {line}: {key.value!r} stands twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_settings_file(path: Path) -> dict[str, Any]:
    """The file's mapping, values as they stand. ConfigError when it can't be read or is no YAML mapping."""
    try:
        found = yaml.load(_read(path), _StrictLoader)
    except OSError as error:
        raise ConfigError(f"{path}: found {error.strerror or error}, expected a readable settings file") from None
    except RecursionError:
        raise ConfigError(f"{path}: found values nested too deep to read, expected a mapping of settings") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: found text that is not YAML ({_first_problem(error)}), expected a mapping of settings"
        ) from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: found {type(found).__name__}, expected a mapping of settings")
    return {str(key): value for key, value in found.items()}


def _first_problem(error: Exception) -> str:
    """Where and what, on one line: PyYAML's own text draws the place over several."""
    problem, mark = getattr(error, "problem", None) or str(error), getattr(error, "problem_mark", None)
    return problem if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        raise OSError(f"more than {FILE_LIMIT_BYTES} bytes")
    return content.decode()


def _resolve(value: Any) -> Any:
    """The value, or what `{file: PATH}` or `{env: NAME}` names."""
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("file", str(path))]:
            try:
                return _read(Path(path)).strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or type(error).__name__
                return _Unresolved(f"file {path}: {reason}", "a readable file with the value")
        case [("env", str(name))]:
            text = os.environ.get(name)
            return _Unresolved(f"no environment variable {name}", "it to be set") if text is None else text
    return _Unresolved("a mapping", "a value, {file: PATH} or {env: NAME}")


def _resolve_setting(key: str, value: Any) -> Any:
    """Like `_resolve`; a secret may not stand in the file itself."""
    if key in SECRET_SETTINGS and value is not None and not isinstance(value, dict):
        return _SECRET_IN_FILE
    return _resolve(value)


def _resolve_kafka(key: str, value: Any) -> Any:
    """Like `_resolve`; what was read, and what is secret by its name, is wrapped so that it can't be shown."""
    resolved = _resolve(value)
    if isinstance(resolved, _Unresolved):
        return resolved
    if isinstance(value, dict):
        return SecretStr(str(resolved))
    if SECRET_PROPERTY.search(key):
        return _SECRET_IN_FILE
    return resolved


def _kafka_property(key: str, value: Any) -> str | SecretStr:
    if key in OWNED or key.endswith("_cb") or key in ("on_delivery", "logger", "on_commit"):
        hint = {
            "group.id": "the setting `name`",
            "group.instance.id": "the setting `instance`",
            "transactional.id": "the settings `name` and `instance`",
            "session.timeout.ms": "the setting `session_timeout`",
            "transaction.timeout.ms": "the setting `transaction_timeout`",
            "metadata.broker.list": "`bootstrap.servers`",
        }.get(key, "it to be left to the worker, whose promises rest on it")
        raise Wrong("a property that the worker owns", hint, key)
    if key in JAVA_PROPERTIES:
        raise Wrong("a property of Java's clients", JAVA_PROPERTIES[key], key)
    if isinstance(value, _Unresolved):
        raise Wrong(value.found, value.expected, key)
    if isinstance(value, SecretStr):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return SecretStr(str(value)) if SECRET_PROPERTY.search(key) else str(value)
    raise Wrong(type(value).__name__, "text or a number", key)


def _plaintext_problems(properties: Mapping[str, str | SecretStr], allowed: bool) -> list[Wrong]:
    """Clear text is for loopback, unless the operator says otherwise."""
    servers = _plain(properties.get("bootstrap.servers", ""))
    if not servers.strip():
        return [Wrong("nothing", "host:port[,host:port]", "bootstrap.servers")]
    protocol = _plain(properties.get("security.protocol", "plaintext")).upper()
    if allowed or not protocol.endswith("PLAINTEXT"):
        return []
    far = [server.strip() for server in servers.split(",") if not _is_loopback(server.strip())]
    if not far:
        return []
    expected = f"SSL or SASL_SSL, or the setting `allow_plaintext: true` ({_variable('allow_plaintext')}=true)"
    return [Wrong(f"{protocol} to {', '.join(far)}", expected, "security.protocol")]


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _is_loopback(server: str) -> bool:
    host = server.rpartition("://")[2]
    host = host.rpartition(":")[0] or host
    host = host.removeprefix("[").removesuffix("]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _member_problems(settings: Settings) -> list[str]:
    """Of settings that would do for one process, what does not do for as many as there are to be."""
    count = settings.processes
    if count == 1:
        return []
    lines, each = [], f"each of the {count} processes"
    longest = NAME_CHARACTERS - len(f"-{count}")
    if len(settings.instance) > longest:
        found = f"a name of {len(settings.instance)} characters"
        lines.append(f"instance: found {found}, expected {longest} at most: {each} adds its number")
    last = 65536 - count
    if settings.listen.port > last:
        lines.append(f"listen: found {settings.listen}, expected a port up to {last}: {each} has the next one")
    for field, least in SHARED.items():
        if getattr(settings, field) < least * count:
            key = Settings.model_fields[field].alias or field
            has, needs = (
                format_quantity(number, UNITS_BYTES) if field.endswith("_bytes") else number
                for number in (getattr(settings, field), least * count)
            )
            lines.append(f"{key}: found {has}, expected {needs} at least: {each} has its part")
    return lines


def _keys() -> list[str]:
    return [info.alias or field for field, info in Settings.model_fields.items()]


def _variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.upper()


def _lines(problem: Any, given: Mapping[str, Any]) -> list[str]:
    """One pydantic error as lines for the reader."""
    key = str(problem["loc"][0]) if problem["loc"] else "settings"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, _keys(), 1)
        hint = f"`{near[0]}`?" if near else "one of " + ", ".join(_keys())
        return [f"{key}: found an unknown setting, expected {hint}"]
    where = f"{key} (environment {_variable(key)})" if key not in given and os.environ.get(_variable(key)) else key
    field, info = next((f, i) for f, i in Settings.model_fields.items() if key in (f, i.alias))
    expected = f"{info.description}"
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, _Several):
        return [f"{key}.{w.key}: found {w.found}, expected {w.expected}" for w in cause.wrongs]
    if problem["type"] == "missing":
        return [f"{where}: found nothing, expected {expected}"]
    if isinstance(cause, Wrong) and cause.found is not None:
        return [f"{where}: found {cause.found}, expected {cause.expected}"]
    found = problem["input"]
    if key == "kafka":  # a password may stand in it
        return [f"{where}: found {type(found).__name__}, expected {expected}"]
    if problem["type"] in ("greater_than_equal", "less_than_equal") and field.endswith(("_ms", "_bytes")):
        found = format_quantity(found, UNITS_MS if field.endswith("_ms") else UNITS_BYTES)
    return [f"{where}: found {_shown(found)}, expected {expected}"]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
