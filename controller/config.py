"""Settings of the controller: one TOML file, each key overridable by an environment variable `FABFLEET_<KEY>`."""

import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from controller.identity.oidc_provider import Provider, ProviderError, providers

PREFIX = "FABFLEET_"
MB = 1_000_000
DEFAULT_FILE = Path("/etc/fabfleet/controller.toml")
DEFAULT_STATE = Path("/var/lib/fabfleet")

T = TypeVar("T")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class ConfigError(ValueError):
    """A setting cannot be used; the message names the key, where it was given, and what is wanted."""


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """Where the MQTT broker is. Embedded: a child of the controller, with credentials made by itself.

    It listens on `port`, with TLS on `tls_port`; an empty `host` is where the pages are if those are by HTTPS, else
    this machine only. An enrolled agent is told the same, unless `public_host` says otherwise.

    Of a broker of somebody else's `kind` is mosquitto or nats. Who may come in is written into the folder `files`
    whenever it changes; then the command `reload` has the broker read it. Without `reload` something else has to.
    What it refused is read from the file `log`, if that is set.
    """

    embedded: bool = True
    host: str = ""
    port: int = 1883
    tls_port: int = 8883
    public_host: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    kind: str = "mosquitto"
    files: Path | None = None
    reload: str = ""
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class JobsConfig:
    """How much room the files of print jobs may take, in millions of bytes, and how long jobs that ended are kept.

    `school_quota_mb` is for all jobs of one school. Nothing is taken that would leave less than `min_free_mb` of disk.
    """

    max_mb: int = 50
    school_quota_mb: int = 2000
    keep_days: int = 60
    min_free_mb: int = 500

    @property
    def max_bytes(self) -> int:
        """The largest file that is taken."""
        return self.max_mb * MB


@dataclass(frozen=True, slots=True)
class CommandsConfig:
    """Commands are kept for so many days after they were over; the audit log keeps what was done."""

    keep_days: int = 400


@dataclass(frozen=True, slots=True)
class NoticesConfig:
    """How notifications are sent. `public_url` is the pages' address, as people's phones reach it: links begin with it.

    The mail server and the Zalo Official Account are for everybody; without them people write their own. `ca` is a file
    of certificates to trust instead of the usual ones. With `private_addresses` people may have notifications sent to
    machines inside of the network, and to this one. What was sent is forgotten after `keep_days`.
    """

    public_url: str = ""
    private_addresses: bool = False
    ca: Path | None = None
    keep_days: int = 60
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    smtp_sender: str = ""
    zalo_app_id: str = ""
    zalo_secret_key: str = field(default="", repr=False)
    zalo_refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class HistoryConfig:
    """What is kept of readings, by tier: for so many days, and within so many millions of bytes.

    The defaults fit a school's laptop. A day is archived `seal_hours` after its end.
    """

    rows_days: int = 60
    rows_mb: int = 8_000
    five_minutes_days: int = 400
    five_minutes_mb: int = 4_000
    hours_days: int = 3_650
    hours_mb: int = 2_000
    archive: bool = True
    archive_days: int = 1_100
    archive_mb: int = 10_000
    seal_hours: int = 6


@dataclass(frozen=True, slots=True)
class ControllerConfig:
    """Everything that may be set. `hosts` are further names under which browsers may ask for the pages. `proxies` are
    addresses or networks of proxies, which are believed where a request comes from. `zone` is the schools' own time, by
    its IANA name. Beyond loopback all is encrypted, by the certificate that was given, else by one of ours;
    with `own_tls` on loopback as well, with `plain_http_beyond_loopback` nothing is.
    """

    state: Path = DEFAULT_STATE
    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    database_url: str = field(default="", repr=False)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    own_tls: bool = False
    plain_http_beyond_loopback: bool = False
    demo: bool = False
    zone: str = "Asia/Ho_Chi_Minh"
    log_level: str = "info"
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    commands: CommandsConfig = field(default_factory=CommandsConfig)
    jobs: JobsConfig = field(default_factory=JobsConfig)
    notices: NoticesConfig = field(default_factory=NoticesConfig)
    oidc: tuple[Provider, ...] = ()
    history: HistoryConfig = field(default_factory=HistoryConfig)

    @property
    def folder(self) -> Path:
        """Where the controller keeps what it must not lose."""
        return self.state / "controller"

    @property
    def archive(self) -> Path:
        """Where the readings of days that are over lie."""
        return self.folder / "archive"

    @property
    def database(self) -> str:
        """The database's address: the one that was set, else a file of ours."""
        return self.database_url or f"sqlite:///{self.folder / 'fabfleet.db'}"

    @property
    def tls(self) -> bool:
        """Whether the pages are by HTTPS."""
        return self.tls_certificate is not None or self.own_tls or self._exposed(self.host)

    @property
    def https_host(self) -> str:
        """The name in the public address if that is by HTTPS, ours or a proxy's; else empty."""
        url = urlsplit(self.notices.public_url)
        return (url.hostname or "").rstrip(".") if url.scheme == "https" else ""

    @property
    def broker_host(self) -> str:
        """Where the embedded broker listens, or the external one is."""
        return self.broker.host or (self.host if self.tls else "127.0.0.1")

    @property
    def broker_tls(self) -> bool:
        """Whether the embedded broker speaks TLS."""
        return self.broker.embedded and (self.tls or self._exposed(self.broker_host))

    @property
    def broker_port(self) -> int:
        return self.broker.tls_port if self.broker_tls else self.broker.port

    def _exposed(self, host: str) -> bool:
        return not is_loopback(host) and not self.plain_http_beyond_loopback


def load(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    **overrides: Any,
) -> ControllerConfig:
    """Read the settings: file, then environment, then `overrides` (None means not given). Raises ConfigError.

    Without `path` the default file is read if there is one.
    """
    tree = _file(path or DEFAULT_FILE, required=path is not None)
    config = _build(
        ControllerConfig, tree, dict(environment or {}), "", {k: v for k, v in overrides.items() if v is not None}
    )
    _check(config)
    return config


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if required:
            raise ConfigError(f"{path}: no such file") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _build(
    kind: type[T], tree: Mapping[str, Any], environment: Mapping[str, str], where: str, given: Mapping[str, Any]
) -> T:
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]  # kind is one of the two above
    for key in tree:
        if key not in known:
            raise ConfigError(f"{where}{key}: nobody knows this key; known are {', '.join(known)}")
    values: dict[str, Any] = {}
    for name, each in known.items():
        variable = PREFIX + (where + name).replace(".", "_").upper()
        if is_dataclass(each.type) and isinstance(each.type, type):
            inner = tree.get(name, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{where}{name}: a table is wanted")
            values[name] = _build(each.type, inner, environment, f"{where}{name}.", {})
        elif name in given:
            values[name] = given[name]
        elif variable in environment:
            values[name] = _from_text(each, environment[variable], variable)
        elif name in tree:
            values[name] = _from_toml(each, tree[name], f"{where}{name}")
    return kind(**values)


def _from_text(each: "Field[Any]", text: str, where: str) -> object:
    if each.type == tuple[Provider, ...]:
        raise ConfigError(f"{where}: providers of sign-ins stand in the file alone, as [[oidc]]")
    if each.type is bool:
        if text.lower() not in _TRUE | _FALSE:
            raise ConfigError(f"{where}: {text!r} is neither true nor false")
        return text.lower() in _TRUE
    if each.type is int:
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{where}: {text!r} is not a whole number") from None
    if each.type == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return _path_or_text(each, text, where)


def _from_toml(each: "Field[Any]", value: object, where: str) -> object:
    if each.type == tuple[Provider, ...]:
        try:
            return providers(value)
        except ProviderError as error:
            raise ConfigError(str(error)) from None
    if each.type == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise ConfigError(f"{where}: a list of texts is wanted")
        return tuple(value)
    wanted = each.type if each.type in (bool, int) else str
    if type(value) is not wanted:
        raise ConfigError(f"{where}: {value!r} is not of type {getattr(wanted, '__name__', wanted)}")
    return _path_or_text(each, value, where)


def _path_or_text(each: "Field[Any]", value: object, where: str) -> object:
    if each.type not in (Path, Path | None):
        return value
    if not value:
        raise ConfigError(f"{where}: an empty path")
    return Path(str(value)).expanduser()


def _check(config: ControllerConfig) -> None:
    for name, port in (
        ("port", config.port),
        ("broker.port", config.broker.port),
        ("broker.tls_port", config.broker.tls_port),
    ):
        if not 0 <= port <= 65_535:
            raise ConfigError(f"{name}: {port} is not a port between 0 and 65535")
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise ConfigError("tls_certificate, tls_key: give both or none")
    for name, path in (("tls_certificate", config.tls_certificate), ("tls_key", config.tls_key)):
        if path is not None and not path.is_file():
            raise ConfigError(f"{name}: {path} is not a file")
    for proxy in config.proxies:
        _check_network(proxy)
    _check_zone(config.zone)
    if config.log_level not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"log_level: {config.log_level!r} is none of debug, info, warning, error")
    _check_bounds(config)
    _check_broker(config.broker)
    _check_notices(config.notices)


def _check_broker(broker: BrokerConfig) -> None:
    if broker.kind not in ("mosquitto", "nats"):
        raise ConfigError(f"broker.kind: {broker.kind!r} is none of mosquitto, nats")
    if broker.files is not None and (broker.embedded or not broker.password):
        raise ConfigError("broker.files: only for a broker of yours: set broker.embedded = false, and broker.password")
    if broker.log is not None and broker.embedded:
        raise ConfigError("broker.log: only for a broker of yours: set broker.embedded = false")
    if broker.reload and broker.files is None:
        raise ConfigError("broker.reload: set broker.files as well")


def _check_notices(notices: NoticesConfig) -> None:
    url = urlsplit(notices.public_url)
    if notices.public_url and (url.scheme not in ("http", "https") or not url.hostname):
        raise ConfigError(f"notices.public_url: {notices.public_url!r} is no address such as https://fab.example.vn")
    if notices.smtp_security not in ("starttls", "tls", "none"):
        raise ConfigError(f"notices.smtp_security: {notices.smtp_security!r} is none of starttls, tls, none")
    if not 0 < notices.smtp_port <= 65_535:
        raise ConfigError(f"notices.smtp_port: {notices.smtp_port} is not a port between 1 and 65535")
    if notices.smtp_host and "@" not in (notices.smtp_sender or notices.smtp_user):
        raise ConfigError("notices.smtp_sender: a mail server needs a sender's address")
    if notices.keep_days < 1:
        raise ConfigError(f"notices.keep_days: {notices.keep_days} is not 1 or more")
    if notices.ca is not None and not notices.ca.is_file():
        raise ConfigError(f"notices.ca: {notices.ca} is not a file")
    zalo = (notices.zalo_app_id, notices.zalo_secret_key, notices.zalo_refresh_token)
    if any(zalo) and not all(zalo):
        raise ConfigError("notices.zalo_app_id, zalo_secret_key, zalo_refresh_token: give all or none")


def _check_bounds(config: ControllerConfig) -> None:
    for table, settings in (("commands", config.commands), ("jobs", config.jobs), ("history", config.history)):
        for key in (each.name for each in fields(settings)):
            if getattr(settings, key) < _least(key):
                raise ConfigError(f"{table}.{key}: {getattr(settings, key)} is not {_least(key)} or more")


def _least(key: str) -> int:
    """Of a number that counts days, hours or bytes; the archive may be off."""
    return 0 if key in ("archive", "seal_hours") else 1


def _check_network(proxy: str) -> None:
    try:
        ip_network(proxy)
    except ValueError:
        raise ConfigError(f"proxies: {proxy!r} is no address or network such as 10.0.0.0/24") from None


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # its own error is a KeyError
        raise ConfigError(f"zone: {zone!r} is not the name of a time zone, such as Asia/Ho_Chi_Minh") from None
