"""Settings of the controller."""

from pathlib import Path
from typing import Any

import pytest

from controller.config import BrokerConfig, ConfigError, ControllerConfig, is_loopback, load
from controller.serve import Unsafe, check_exposure


def written(folder: Path, text: str) -> Path:
    file = folder / "controller.toml"
    file.write_text(text, "utf-8")
    return file


def test_config_without_anything_is_on_loopback_with_an_embedded_broker(tmp_path: Path) -> None:
    config = load(written(tmp_path, ""))

    assert config == ControllerConfig()
    assert is_loopback(config.host)
    assert config.broker.embedded
    assert config.database == "sqlite:////var/lib/fabfleet/controller/fabfleet.db"


def test_config_is_read_from_the_file(tmp_path: Path) -> None:
    text = 'state = "/srv/ff"\nport = 9000\nhosts = ["fabfleet.lan"]\n[broker]\nport = 1884\nembedded = false\n'

    config = load(written(tmp_path, text))

    assert (config.state, config.port, config.hosts) == (Path("/srv/ff"), 9000, ("fabfleet.lan",))
    assert (config.broker.port, config.broker.embedded) == (1884, False)


def test_config_environment_overrides_the_file_and_the_call_overrides_both(tmp_path: Path) -> None:
    file = written(tmp_path, "port = 9000\n[broker]\nport = 1884\n")
    environment = {"FABFLEET_PORT": "9001", "FABFLEET_BROKER_PORT": "1885", "FABFLEET_HOSTS": "a.lan, b.lan"}

    config = load(file, environment)

    assert (config.port, config.broker.port, config.hosts) == (9001, 1885, ("a.lan", "b.lan"))
    assert load(file, environment, port=9002, host=None).port == 9002


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "prot: nobody knows this key"),
        ("[broker]\nhots = 'x'", "broker.hots: nobody knows this key"),
        ("port = '8080'", "port: '8080' is not of type int"),
        ("port = 70000", "port: 70000 is not a port"),
        ("port = true", "port: True is not of type int"),
        ("broker = 1", "broker: a table is wanted"),
        ("hosts = 'a'", "hosts: a list of texts is wanted"),
        ("proxies = ['proxy.lan']", "proxies: 'proxy.lan' is no address"),
        ("[broker]\nkind = 'emqx'", "broker.kind: 'emqx' is none of"),
        ("[broker]\nfiles = '/x'", "broker.files: only for a broker of yours"),
        ("[broker]\nreload = 'x'", "broker.reload: set broker.files"),
        ("state = ''", "state: an empty path"),
        ("tls_key = '/x'", "give both or none"),
        ("[jobs]\nmax_mb = 0", "jobs.max_mb: 0 is not 1 or more"),
        ("[jobs]\nmin_free_mb = 1.5", "jobs.min_free_mb: 1.5 is not of type int"),
        ("log_level = 'loud'", "log_level: 'loud' is none of"),
        ("port = ", "Invalid value"),
    ],
)
def test_config_names_what_is_wrong_in_the_file(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(written(tmp_path, text))


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("FABFLEET_PORT", "eighty", "FABFLEET_PORT: 'eighty' is not a whole number"),
        ("FABFLEET_BROKER_EMBEDDED", "maybe", "FABFLEET_BROKER_EMBEDDED: 'maybe' is neither true nor false"),
    ],
)
def test_config_names_what_is_wrong_in_the_environment(tmp_path: Path, variable: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(written(tmp_path, ""), {variable: text})


def test_limits_of_history_are_set_by_tier_and_bounded(tmp_path: Path) -> None:
    config = load(written(tmp_path, "[history]\nrows_days = 30\narchive = false\nseal_hours = 0"))
    assert (config.history.rows_days, config.history.archive, config.history.seal_hours) == (30, False, 0)
    assert config.history.five_minutes_days == 400
    with pytest.raises(ConfigError, match=r"history\.hours_mb: 0 is not 1 or more"):
        load(written(tmp_path, "[history]\nhours_mb = 0"))


def test_config_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "missing.toml")


def test_config_shows_no_secret_when_printed() -> None:
    text = repr(load(None, {"FABFLEET_BROKER_PASSWORD": "hush", "FABFLEET_DATABASE_URL": "postgresql://u:hush@h/d"}))

    assert "hush" not in text


@pytest.mark.parametrize(
    ("host", "near"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.168.1.2", False), ("", False)],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, near: bool) -> None:
    assert is_loopback(host) is near


@pytest.mark.parametrize(
    ("settings", "pages", "broker"),
    [
        ({}, False, None),
        ({"host": "0.0.0.0"}, True, ("0.0.0.0", 8883)),
        ({"host": "0.0.0.0", "plain_http_beyond_loopback": True}, False, None),
        ({"own_tls": True}, True, ("127.0.0.1", 8883)),
        ({"broker": BrokerConfig(host="0.0.0.0")}, False, ("0.0.0.0", 8883)),
        ({"host": "0.0.0.0", "broker": BrokerConfig(host="10.0.0.5", tls_port=8884)}, True, ("10.0.0.5", 8884)),
        ({"broker": BrokerConfig(host="::1")}, False, None),
    ],
)
def test_everything_beyond_loopback_is_encrypted_unless_said_otherwise(
    settings: dict[str, Any], pages: bool, broker: tuple[str, int] | None
) -> None:
    config = ControllerConfig(**settings)
    assert config.tls is pages
    assert config.broker_tls is (broker is not None)
    assert broker is None or (config.broker_host, config.broker_port) == broker
    assert config.broker_tls or config.broker_port == 1883


@pytest.mark.parametrize(
    ("broker", "safe"),
    [
        (BrokerConfig(embedded=False, host="192.0.2.1"), False),
        (BrokerConfig(embedded=False, host="192.0.2.1", ca=Path("/ca.pem")), True),
        (BrokerConfig(embedded=False), True),
        (BrokerConfig(), True),
    ],
)
def test_a_broker_elsewhere_is_not_spoken_to_in_the_clear(broker: BrokerConfig, safe: bool) -> None:
    if safe:
        check_exposure(ControllerConfig(broker=broker))
        return
    with pytest.raises(Unsafe, match="in the clear"):
        check_exposure(ControllerConfig(broker=broker))
    check_exposure(ControllerConfig(broker=broker, plain_http_beyond_loopback=True))


def test_providers_of_sign_ins_stand_in_the_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("geheim\n", "utf-8")
    file = tmp_path / "controller.toml"
    file.write_text(
        f"""
[[oidc]]
name = "school"
kind = "google"
client_id = "one"
client_secret_file = "{secret}"
allowed_domains = ["An-Phu.example"]
schools = {{ "an-phu.example" = "an-phu" }}
[[oidc]]
name = "office"
kind = "microsoft"
client_id = "two"
tenant = "01234567-89ab-cdef-0123-456789abcdef"
newcomers = "enter"
role = "auditor"
""",
        "utf-8",
    )
    google, microsoft = load(file).oidc

    assert (google.issuer, google.allowed_domains, google.secret()) == (
        "https://accounts.google.com",
        ("an-phu.example",),
        "geheim",
    )
    assert microsoft.issuer == "https://login.microsoftonline.com/01234567-89ab-cdef-0123-456789abcdef/v2.0"
    assert (microsoft.newcomers, microsoft.role) == ("enter", "auditor")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('name = "x"\nissuer = "https://x.example"', "client_id: it is missing"),
        ('name = "x"\nclient_id = "y"\nissuer = "http://x.example"', "not an https address"),
        ('name = "x"\nclient_id = "y"\nkind = "microsoft"\ntenant = "common"', "the school's own directory"),
        ('name = "x"\nclient_id = "y"\nkind = "google"\nrole = "administrator"', "nobody becomes an administrator"),
        ('name = "X Y"\nclient_id = "y"\nkind = "google"', "not of a-z"),
        ('name = "x"\nclient_id = "y"\nkind = "google"\nsecret = "z"', "nobody knows this key"),
        ('name = "x"\nclient_id = "y"\nkind = "google"\nclient_secret_file = "/nowhere"', "is not a file"),
    ],
)
def test_provider_that_cannot_be_used_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "controller.toml"
    file.write_text(f"[[oidc]]\n{text}\n", "utf-8")

    with pytest.raises(ConfigError, match=told):
        load(file)
