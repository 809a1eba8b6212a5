"""Settings: where a value comes from, what is refused, and that secrets never show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.config import MASK, OWNED, Address, Settings, Topics, load_settings
from stream.errors import ConfigError
from stream.kafka.settings import consumer_config, producer_config

LOOPBACK = {"bootstrap.servers": "127.0.0.1:9092"}
LEAST: dict[str, Any] = {"name": "shop", "definitions": "shop.yaml", "kafka": LOOPBACK}


@pytest.fixture
def write(tmp_path: Path):
    def write_file(text: str) -> Path:
        path = tmp_path / "segmenter.yaml"
        path.write_text(text)
        return path

    return write_file


def problems(path: Path | None = None, **overrides: Any) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_settings(path, overrides)
    return str(raised.value).splitlines()


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(write, monkeypatch) -> None:
    path = write(
        "name: shop\ndefinitions: shop.yaml\ncommit_interval: 300ms\ngrace: 3s\nsession_timeout: 6s\n"
        "kafka: {bootstrap.servers: 'localhost:1', linger.ms: 7}\n"
    )
    monkeypatch.setenv("SEGMENTER_COMMIT_INTERVAL", "200ms")
    monkeypatch.setenv("SEGMENTER_GRACE", "2500ms")
    monkeypatch.setenv("SEGMENTER_KAFKA__LINGER_MS", "9")

    settings = load_settings(path, {"commit_interval": "150ms", "log": None})

    assert settings.commit_interval_ms == 150
    assert settings.grace_ms == 2500
    assert settings.session_timeout_ms == 6000
    assert settings.transaction_timeout_ms == 15_000
    assert settings.log == "info"
    assert settings.kafka_properties() == {"bootstrap.servers": "localhost:1", "linger.ms": "9"}


def test_the_file_can_be_named_by_the_environment(write, monkeypatch) -> None:
    monkeypatch.setenv("SEGMENTER_CONFIG_FILE", str(write("output_prefix: shadow-\n")))

    assert load_settings(None, LEAST).topics.changes == "shadow-segment-changes"


def test_an_empty_variable_and_an_orchestrators_own_are_passed_over(monkeypatch) -> None:
    monkeypatch.setenv("SEGMENTER_GRACE", "")
    monkeypatch.setenv("SEGMENTER_SERVICE_HOST", "10.0.0.1")

    assert load_settings(None, LEAST).grace_ms == 2000


@pytest.mark.parametrize(
    ("key", "text", "field", "value"),
    [
        ("commit_interval", "1.5s", "commit_interval_ms", 1500),
        ("grace", "0", "grace_ms", 0),
        ("grace", 0, "grace_ms", 0),
        ("transaction_timeout", "1m", "transaction_timeout_ms", 60_000),
        ("cache_memory", "1GiB", "cache_memory_bytes", 1 << 30),
        ("max_event_size", "64 KiB", "max_event_bytes", 65_536),
        ("max_event_size", 2048, "max_event_bytes", 2048),
        ("listen", "[::1]:80", "listen", Address("::1", 80)),
        ("cache_customers", "1000", "cache_customers", 1000),
    ],
)
def test_durations_sizes_and_addresses_are_read_from_text(key: str, text: Any, field: str, value: Any) -> None:
    assert getattr(load_settings(None, {**LEAST, key: text}), field) == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("commit_interval", 200),
        ("commit_interval", "1,5s"),
        ("commit_interval", "1ms"),
        ("grace", "0.0001s"),
        ("max_event_size", "5 parsecs"),
        ("listen", "9464"),
        ("start_from", "yesterday"),
        ("name", "a shop"),
        ("name", 7),
        ("cache_customers", "many"),
        ("allow_plaintext", "perhaps"),
    ],
)
def test_a_wrong_value_is_told_by_key_found_and_expected(key: str, text: Any) -> None:
    (line,) = problems(**{**LEAST, key: text})

    assert line.startswith(f"{key}: found {text!r}, expected ")


def test_all_problems_come_together_one_line_each(write, monkeypatch) -> None:
    monkeypatch.setenv("SEGMENTER_GRACE", "soon")
    path = write(
        "definitions: x\ncomit_interval: 1s\ninstance: {env: SEGMENTER_NOT_SET}\n"
        "kafka: {group.id: x, isolation.level: read_uncommitted, acks: 1, sasl.password: open}\n"
    )

    lines = problems(path, log="loud")

    assert {line.split(":")[0] for line in lines} == {
        "name", "comit_interval", "instance", "log", "grace (environment SEGMENTER_GRACE)", "kafka.group.id",
        "kafka.isolation.level", "kafka.acks", "kafka.sasl.password", "kafka.bootstrap.servers",
    }  # fmt: skip
    assert "comit_interval: found an unknown setting, expected `commit_interval`?" in lines
    assert all("found" in line and "expected" in line for line in lines)


@pytest.mark.parametrize(
    "text", ["- a list", "name: [", "name: a\nname: b", "config_file: other.yaml", "name: {a: 1}", "\x00"]
)
def test_a_file_that_is_no_mapping_of_settings_is_refused(write, text: str) -> None:
    assert problems(write(text), **{k: v for k, v in LEAST.items() if k != "name"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.yaml")[0].startswith(f"{tmp_path / 'none.yaml'}: found No such file")


def test_secrets_come_by_file_or_environment_and_are_masked(write, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "password").write_text("canary-1\n")
    monkeypatch.setenv("KEY_PASSWORD", "canary-2")
    monkeypatch.setenv("SEGMENTER_KAFKA__SASL_OAUTHBEARER_CLIENT_SECRET", "canary-3")
    path = write(
        "name: shop\ndefinitions: x\nkafka:\n  bootstrap.servers: kafka:1\n  security.protocol: SASL_SSL\n"
        f"  sasl.password: {{file: {tmp_path / 'password'}}}\n  ssl.key.password: {{env: KEY_PASSWORD}}\n"
    )

    settings = load_settings(path, {})

    shown = settings.masked()["kafka"]
    assert settings.kafka_properties()["sasl.password"] == "canary-1"
    assert settings.kafka_properties()["ssl.key.password"] == "canary-2"
    assert settings.kafka_properties()["sasl.oauthbearer.client.secret"] == "canary-3"
    assert shown["sasl.password"] == shown["ssl.key.password"] == shown["sasl.oauthbearer.client.secret"] == MASK
    assert "canary" not in f"{settings!r} {settings} {settings.masked()} {settings.model_dump()}"


def test_a_secret_on_the_command_line_is_refused_and_not_repeated() -> None:
    (line,) = problems(**{**LEAST, "kafka": {**LOOPBACK, "sasl.password": "canary"}})

    assert "SEGMENTER_KAFKA__SASL_PASSWORD" in line
    assert "canary" not in line


@pytest.mark.parametrize(
    "text",
    [
        "kafka: 'sasl.password=canary'\n",
        "kafka: [{sasl.password: canary}]\n",
        "kafka: {bootstrap.servers: 'localhost:1', sasl.jaas.config: 'LoginModule password=\"canary\";'}\n",
        "kafka: {bootstrap.servers: 'localhost:1', sasl.jaas.config: {file: /nowhere/canary}}\n",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(write, text: str) -> None:
    (line,) = problems(write(text), name="shop", definitions="x")

    assert line.startswith("kafka") and "found" in line and "expected" in line
    assert "canary" not in line


def test_of_javas_properties_the_ones_in_their_place_are_named(write) -> None:
    path = write("kafka: {bootstrap.servers: 'localhost:1', ssl.truststore.location: /a.jks, sasl.jaas.config: x}\n")

    jaas, store = sorted(problems(path, name="shop", definitions="x"))
    assert "`sasl.username` and `sasl.password`" in jaas and "`ssl.ca.location`" in store


def test_an_unreadable_secret_is_named_by_its_file(write) -> None:
    path = write("kafka: {bootstrap.servers: 'localhost:1', sasl.password: {file: /nowhere/x}}\n")

    assert problems(path, name="shop", definitions="x") == [
        "kafka.sasl.password: found file /nowhere/x: No such file or directory, expected a readable file with the value"
    ]


@pytest.mark.parametrize(
    "servers", ["localhost:9092", "127.0.0.1:1,127.3.4.5:2", "[::1]:9092", "PLAINTEXT://localhost:1"]
)
def test_clear_text_on_loopback_is_accepted(servers: str) -> None:
    assert load_settings(None, {**LEAST, "kafka": {"bootstrap.servers": servers}})


@pytest.mark.parametrize("protocol", [None, "PLAINTEXT", "sasl_plaintext"])
def test_clear_text_beyond_loopback_needs_consent(protocol: str | None) -> None:
    kafka = {"bootstrap.servers": "localhost:1,kafka-1:9092"} | ({"security.protocol": protocol} if protocol else {})

    (line,) = problems(**{**LEAST, "kafka": kafka})

    assert line.startswith("kafka.security.protocol: found ") and "kafka-1:9092" in line
    assert load_settings(None, {**LEAST, "kafka": kafka, "allow_plaintext": True})
    assert load_settings(None, {**LEAST, "kafka": {**kafka, "security.protocol": "SASL_SSL"}})


def test_the_prefix_stands_before_everything_written_and_not_before_the_input() -> None:
    topics = Topics.named("customer-events", "shadow-")

    assert topics.input == "customer-events"
    assert topics.own == (
        "customer-events", "shadow-segment-changes", "shadow-segment-memberships", "shadow-customer-events-rejected",
        "shadow-segmenter-state", "shadow-segmenter-journal", "shadow-segmenter-control",
    )  # fmt: skip
    assert topics.extra("win-back") == "shadow-win-back"


def test_masked_settings_can_be_read_back(write) -> None:
    import yaml

    settings = load_settings(None, {**LEAST, "commit_interval": "150ms", "cache_memory": "1GiB", "grace": 0})
    shown = {key: value for key, value in settings.masked().items() if value is not None}

    again = load_settings(write(yaml.safe_dump(shown)), {})

    assert again.masked() | {"config_file": None} == settings.masked()


def test_settings_can_not_be_changed() -> None:
    settings: Settings = load_settings(None, LEAST)

    with pytest.raises(ValueError, match="frozen"):
        settings.name = "other"


TOKEN = "canary-0123456789"


def test_the_api_token_comes_from_the_environment_or_from_where_the_file_says(write, tmp_path, monkeypatch) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    monkeypatch.setenv("THE_TOKEN", TOKEN)
    by_file = load_settings(write(f"api_token: {{file: '{tmp_path}/token'}}\n"), LEAST)
    by_name = load_settings(write("api_token: {env: THE_TOKEN}\n"), LEAST)
    monkeypatch.setenv("SEGMENTER_API_TOKEN", TOKEN)
    by_environment = load_settings(None, LEAST)

    for settings in (by_file, by_name, by_environment):
        assert settings.api_token is not None and settings.api_token.get_secret_value() == TOKEN
        assert settings.masked()["api_token"] == MASK
        assert TOKEN not in f"{settings!r} {settings} {settings.masked()}"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("canary-0123456789", "api_token: found a secret in the settings file, expected {file: PATH} or {env: NAME}"),
        ("1234567890123456789", "api_token: found a secret in the settings file, expected {file: PATH} or {env: NAME}"),
        ("{env: NOT_SET_AT_ALL}", "api_token: found no environment variable NOT_SET_AT_ALL, expected it to be set"),
    ],
)
def test_a_token_that_stands_in_the_file_itself_is_refused_and_not_repeated(write, given: str, line: str) -> None:
    assert problems(write(f"api_token: {given}\n"), **LEAST) == [line]


@pytest.mark.parametrize(
    "token", ["canary", "canary" * 100, "canary 0123456789", "canary-0123456789\u00e9", "canary\n" * 4]
)
def test_a_token_that_is_too_short_too_long_or_no_header_is_refused_and_not_repeated(monkeypatch, token: str) -> None:
    monkeypatch.setenv("SEGMENTER_API_TOKEN", token)

    (line,) = problems(**LEAST)

    assert line.startswith("api_token (environment SEGMENTER_API_TOKEN): found a ")
    assert "expected 16 to 512 letters" in line and "canary" not in line


def test_an_empty_token_named_by_the_file_is_no_open_door(write, monkeypatch) -> None:
    monkeypatch.setenv("THE_TOKEN", "")

    (line,) = problems(write("api_token: {env: THE_TOKEN}\n"), **LEAST)

    assert line.startswith("api_token: found a text of 0 characters, expected ")


def test_there_are_so_few_settings_that_they_stand_on_one_page() -> None:
    assert len(Settings.model_fields) <= 25


def test_every_setting_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = load_settings(None, {**LEAST, "config_file": None}).masked()
    for key, value in shown.items():
        if isinstance(value, str | int) and not isinstance(value, bool):
            monkeypatch.setenv(f"SEGMENTER_{key.upper()}", str(value))
    monkeypatch.setenv("SEGMENTER_KAFKA__BOOTSTRAP_SERVERS", "localhost:1")

    assert load_settings(None, {}).name == "shop"


@pytest.mark.parametrize("key", sorted(OWNED))
def test_a_property_that_the_worker_owns_is_refused_by_its_name(key: str) -> None:
    (line,) = problems(**{**LEAST, "kafka": {**LOOPBACK, key: "x"}})

    assert line.startswith(f"kafka.{key}: found a property that the worker owns, expected ")


@pytest.mark.parametrize("config", [consumer_config, producer_config])
def test_a_property_that_we_set_is_owned_or_gives_way_to_the_operators(config: Any) -> None:
    free = set(config(load_settings(None, LEAST))) - OWNED - set(LOOPBACK)

    given = config(load_settings(None, {**LEAST, "kafka": {**LOOPBACK, **dict.fromkeys(free, "7")}}))

    assert free and {given[key] for key in free} == {"7"}


# -- a worker of several processes


def test_each_of_several_processes_has_a_name_a_folder_and_a_port_of_its_own_and_its_part_of_the_budgets() -> None:
    whole = load_settings(None, {
        **LEAST, "instance": "w", "data_dir": "d", "listen": "[::1]:9464", "processes": 3,
        "cache_customers": 1000, "cache_memory": "96MiB", "definitions_rate": 50,
    })  # fmt: skip

    members = whole.members()

    assert [(each.process, each.instance, each.data_dir, str(each.listen)) for each in members] == [
        (1, "w-1", Path("d/process-1"), "[::1]:9464"),
        (2, "w-2", Path("d/process-2"), "[::1]:9465"),
        (3, "w-3", Path("d/process-3"), "[::1]:9466"),
    ]
    assert {(each.cache_customers, each.cache_memory_bytes, each.definitions_rate) for each in members} == {
        (333, 32 << 20, 16)
    }
    assert [each.transactional_id for each in members] == ["shop-w-1", "shop-w-2", "shop-w-3"]
    assert (whole.process, whole.instance) == (None, "w"), "the worker's own stay as they are"


def test_what_is_not_divided_is_the_same_in_each_process() -> None:
    whole = load_settings(None, {**LEAST, "processes": 2})
    own = {"instance", "data_dir", "listen", "cache_customers", "cache_memory", "definitions_rate"}

    shown = whole.member(2).masked()

    assert {key for key, value in whole.masked().items() if shown[key] != value} == own


def test_a_single_process_is_told_the_settings_themselves() -> None:
    whole = load_settings(None, LEAST)

    assert (whole.processes, whole.process) == (1, None)
    assert whole.members() == (whole,) and whole.members()[0] is whole


def test_a_port_that_is_any_free_one_is_so_for_each_process() -> None:
    whole = load_settings(None, {**LEAST, "listen": "127.0.0.1:0", "processes": 2})

    assert [each.listen.port for each in whole.members()] == [0, 0]


@pytest.mark.parametrize("count", [0, 65, "two", 1.5])
def test_no_other_number_of_processes_than_one_to_64_is_taken(count: Any) -> None:
    (line,) = problems(**{**LEAST, "processes": count})

    assert line == f"processes: found {count!r}, expected a number from 1 to 64"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"instance": "i" * 98, "processes": 10},
            "instance: found a name of 98 characters, expected 97 at most: each of the 10 processes adds its number",
        ),
        (
            {"listen": "127.0.0.1:65535", "processes": 2},
            "listen: found 127.0.0.1:65535, expected a port up to 65534: each of the 2 processes has the next one",
        ),
        (
            {"cache_memory": "31MiB", "processes": 4},
            "cache_memory: found 31MiB, expected 32MiB at least: each of the 4 processes has its part",
        ),
        (
            {"cache_customers": 399, "processes": 4},
            "cache_customers: found 399, expected 400 at least: each of the 4 processes has its part",
        ),
        (
            {"definitions_rate": 19, "processes": 2},
            "definitions_rate: found 19, expected 20 at least: each of the 2 processes has its part",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_for_one_process_and_not_for_as_many_is_refused_at_load(given: dict[str, Any], line: str) -> None:
    assert problems(**{**LEAST, "instance": "w", **given}) == [line]
    assert load_settings(None, {**LEAST, "instance": "w", **given, "processes": 1})


def test_the_defaults_do_for_as_many_processes_as_there_may_be() -> None:
    assert len(load_settings(None, {**LEAST, "instance": "w", "processes": 64}).members()) == 64


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("? [a, b]\n: 3\n", "not YAML (line 1, column 3: found unhashable key)"),
        ("a: " + "[" * 5_000, "nested too deep"),
        (f"commit_interval: '{'9' * 400}s'\n", "commit_interval: found '9999"),
    ],
)
def test_a_file_that_no_setting_can_be_read_from_is_told_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError) as told:
        load_settings(path, {})

    assert said in str(told.value)
