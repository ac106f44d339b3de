"""The agent's configuration: agent.toml, with any single-valued key overridden by FABFLEET_*, as frozen dataclasses."""

import logging
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.connection import SYSTEM, Broker
from agent.desired import read_kept
from agent.devices import DeviceConfig, desired_device, read_device
from agent.discovery_subnet import Settings, Sweep, parse_subnet
from agent.download import Source
from agent.errors import WrongConfig
from agent.files import replace_file
from agent.identity import Identity, read_identity
from agent.job_files import Room
from agent.outbox import Limits
from contract.messages import Config
from contract.model import ContractError, Kind, Value, check_text
from contract.settings import SETTINGS, check_settings
from contract.topics import Address
from device_profiles.profile import PROFILES, Words

PREFIX = "FABFLEET_"
CREDENTIALS = "credentials.json"
_MEGABYTE = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the broker knows this agent, and the key that its lease books are signed with.

    `number` rises with each renewal; `former` are those before, until these have been used. `address` is whose they
    are, None if that is not known: then it is what agent.toml says.
    """

    user: str
    password: str = field(repr=False)
    lease_key: bytes = field(repr=False)
    number: int = 0
    former: "Credentials | None" = None
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """All that an agent is told from outside. `lease_key` is its own key for lease books, empty before enrolment.

    `identity` is None if it was not enrolled over the controller's door.
    """

    address: Address
    room: str
    broker: Broker
    lease_key: bytes = field(repr=False)
    credentials: Credentials
    identity: Identity | None
    devices: tuple[DeviceConfig, ...]
    flush_s: float
    limits: Limits
    job_source: Source
    job_room: Room
    discovery: Settings
    rollback_ms: int
    state: Path
    source: Path
    given: "Given"


_KINDS: Mapping[Kind, type] = {Kind.BOOL: bool, Kind.INT: int, Kind.FLOAT: float, Kind.TEXT: str}
_KEYS: Mapping[str, tuple[type, Any]] = {
    "school": (str, None),
    "agent": (str, None),
    "room": (str, ""),
    "broker.tls_ca": (str, ""),
    "broker.place": (float, 0.0),
    "controller.tls_ca": (str, ""),
    "rollback_s": (int, 120),
    **{key: (_KINDS[each.kind], each.default) for key, each in SETTINGS.items()},
    "discovery.community": (str, "public"),
}
"""Every single-valued key: its type and default; None: it must be given. Some a controller may set as well."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the agent is told on the spot: by agent.toml, above it by the environment, whose keys are `pinned`."""

    source: Path
    state: Path
    values: Mapping[str, Any]
    pinned: frozenset[str]
    devices: tuple[DeviceConfig, ...]
    credentials: Credentials
    profiles: Path

    def under(self, desired: Config) -> AgentConfig:
        """All that counts once `desired` goes on top. Raises WrongConfig if any of it cannot be."""
        try:
            check_settings(desired.settings)
        except ContractError as error:
            raise WrongConfig(str(error)) from None
        wanted = tuple(desired_device(each, self.state, self.profiles) for each in desired.devices)
        return self._merged(desired.settings, wanted)

    def under_what_can_be(self, desired: Config) -> AgentConfig:
        """As `under`, without what cannot be: it was taken by another release, or a secret is gone."""
        wanted = []
        for each in desired.devices:
            try:
                wanted.append(desired_device(each, self.state, self.profiles))
            except WrongConfig as error:
                _log.warning("passed over: %s", error)
        settings: dict[str, Value] = {}
        for key, value in desired.settings.items():
            try:
                check_settings({key: value})
                settings[key] = value
            except ContractError as error:
                _log.warning("passed over: %s", error)
        return self._merged(settings, wanted)

    def shadowed(self, desired: Config) -> tuple[str, ...]:
        """Ids of its devices that are in agent.toml as well: that one counts."""
        own = {each.id for each in self.devices}
        return tuple(each.id for each in desired.devices if each.id in own)

    def overridden(self, desired: Config) -> tuple[str, ...]:
        """Keys of its settings that the environment says otherwise: that counts."""
        return tuple(sorted(self.pinned & desired.settings.keys()))

    def _merged(self, settings: Mapping[str, Value], wanted: Iterable[DeviceConfig]) -> AgentConfig:
        allowed = {key: value for key, value in settings.items() if key not in self.pinned}
        values = {**self.values, **allowed}
        own = {each.id for each in self.devices}
        adopted = (_with_community(each, values["discovery.community"]) for each in wanted if each.id not in own)
        devices = (*self.devices, *adopted)
        return _agent_config(self, values, devices)


def load_config(
    path: Path,
    state: Path,
    environment: Mapping[str, str] = os.environ,
    profiles: Path = PROFILES,
    *,
    desired: Config | None = None,
) -> AgentConfig:
    """Read the file; what the controller wants goes on top, the environment above all.

    `desired` is what the state folder holds unless given. Raises WrongConfig with a message for the user that names the
    file and the key.
    """
    reader = _Reader(path, _read_toml(path), environment)
    values = {key: reader.value(key, kind, default) for key, (kind, default) in _KEYS.items()}
    devices = reader.devices(profiles)
    reader.check_unknown()
    try:
        address = Address(values["school"], values["agent"])
        check_text(values["room"], "room", 64)
    except ContractError as error:
        raise WrongConfig(f"{path}: {error}") from None
    credentials = read_credentials(state, address)
    pinned = frozenset(key for key in _KEYS if _variable(key) in environment)
    given = Given(path, state, values, pinned, devices, credentials, profiles)
    return given.under_what_can_be(read_kept(state).in_force if desired is None else desired)


def _agent_config(given: Given, values: Mapping[str, Any], devices: tuple[DeviceConfig, ...]) -> AgentConfig:
    path, credentials = given.source, given.credentials
    address = credentials.address or Address(values["school"], values["agent"])
    return AgentConfig(
        address=address,
        room=values["room"],
        broker=_broker(path, values, credentials),
        lease_key=credentials.lease_key,
        credentials=credentials,
        identity=read_identity(given.state),
        devices=devices,
        flush_s=_within_bounds(path, values, "flush_s"),
        job_source=Source(
            url=values["controller.url"],
            address=address,
            key=credentials.lease_key,
            tls_ca=_authorities(values),
        ),
        job_room=Room(
            budget=_within_bounds(path, values, "files.budget_mb") * _MEGABYTE,
            largest=_within_bounds(path, values, "files.largest_mb") * _MEGABYTE,
        ),
        limits=Limits(
            budget_bytes=_within_bounds(path, values, "outbox.budget_mb") * _MEGABYTE,
            kept_bytes=_within_bounds(path, values, "outbox.kept_mb") * _MEGABYTE,
            kept_ms=_within_bounds(path, values, "outbox.kept_h") * 3_600_000,
        ),
        discovery=_discovery(path, values),
        rollback_ms=_within(path, "rollback_s", values["rollback_s"], 2, 3_600) * 1000,
        state=given.state,
        source=path,
        given=given,
    )


def _authorities(values: Mapping[str, Any]) -> str:
    """Whom to believe at the controller: who is believed at the broker, unless it is said; empty: the system's."""
    said: str = values["controller.tls_ca"] or values["broker.tls_ca"]
    return "" if said == SYSTEM else said


def _with_community(device: DeviceConfig, community: str) -> DeviceConfig:
    """A device that the sweep found answers to the community that it asked with, which stays here."""
    if device.profile.bridge != "snmp" or {"community", "version"} & device.options.keys():
        return device
    return replace(device, options={**device.options, "community": community})


def _discovery(path: Path, values: Mapping[str, Any]) -> Settings:
    try:
        if values["discovery.subnet"]:
            parse_subnet(values["discovery.subnet"])
    except ValueError as error:
        raise WrongConfig(f"{path}: discovery.subnet: {error}") from None
    packets_s = _within_bounds(path, values, "discovery.packets_s")
    sweep = Sweep(values["discovery.subnet"], values["discovery.community"], packets_s)
    return Settings(
        sweep=sweep if sweep.subnet else None,
        sweep_every_h=_within_bounds(path, values, "discovery.sweep_every_h"),
        hear_every_h=_within_bounds(path, values, "discovery.hear_every_h"),
    )


def _broker(path: Path, values: Mapping[str, Any], credentials: Credentials) -> Broker:
    return Broker(
        host=values["broker.host"],
        port=_within_bounds(path, values, "broker.port"),
        username=credentials.user,
        password=credentials.password,
        tls_ca=values["broker.tls_ca"],
        keepalive_s=_within_bounds(path, values, "broker.keepalive_s"),
        spread_s=_within_bounds(path, values, "broker.spread_s"),
        place=_within(path, "broker.place", values["broker.place"], 0, 1),
    )


def read_credentials(state: Path, address: Address) -> Credentials:
    """From STATE/credentials.json. Raises WrongConfig if it is there and cannot be used; empty ones if it is not."""
    import json

    path = state / CREDENTIALS
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Credentials("", "", b"")
    except OSError as error:
        raise WrongConfig(f"{path}: {error.strerror}") from None
    try:
        return _credentials(json.loads(text), address)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongConfig(
            Words(
                f"{path}: cannot be read ({error}); enrol this agent again",
                f"{path}: không đọc được ({error}); hãy thêm lại agent này",
            )
        ) from None


def _credentials(given: Any, address: Address) -> Credentials:
    former = given.get("former")
    return Credentials(
        user=given.get("user", address.user),
        password=given["password"],
        lease_key=bytes.fromhex(given.get("lease_key", "")),
        number=int(given.get("number", 0)),
        former=_credentials(former, address) if former else None,
        address=Address(given["school"], given["agent"]) if "agent" in given else None,
    )


def write_credentials(state: Path, credentials: Credentials) -> None:
    """In one step, and on disk. Raises OSError."""
    import json

    replace_file(state / CREDENTIALS, json.dumps(_plain(credentials)).encode())


def _plain(credentials: Credentials) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "user": credentials.user,
        "password": credentials.password,
        "lease_key": credentials.lease_key.hex(),
        "number": credentials.number,
    }
    if credentials.address is not None:
        plain |= {"school": credentials.address.school, "agent": credentials.address.agent}
    return plain | ({"former": _plain(credentials.former)} if credentials.former else {})


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise WrongConfig(
            Words(
                f"{path}: there is no such file; `fabfleet-agent enrol URL TOKEN` writes one",
                f"{path}: chưa có tệp này; lệnh `fabfleet-agent enrol URL MÃ` sẽ tạo tệp",
            )
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongConfig(f"{path}: {error}") from None


def _within(path: Path, key: str, value: Any, least: float, most: float) -> Any:
    if not least <= value <= most:
        raise WrongConfig(f"{path}: {key} = {value}: must be between {least} and {most}")
    return value


def _within_bounds(path: Path, values: Mapping[str, Any], key: str) -> Any:
    """The value of a number that a controller may set too, so that both keep to one table of bounds."""
    return _within(path, key, values[key], SETTINGS[key].least, SETTINGS[key].most)


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "_")


class _Reader:
    """Takes keys out of the TOML table, so that what is left over is what nobody knows."""

    def __init__(self, path: Path, table: dict[str, Any], environment: Mapping[str, str]) -> None:
        self._path = path
        self._table = table
        self._environment = environment

    def value(self, key: str, kind: type, default: Any) -> Any:
        section, _, name = key.rpartition(".")
        table = self._table.get(section, {}) if section else self._table
        if not isinstance(table, dict):
            raise WrongConfig(f"{self._path}: {section} must be a table: [{section}]")
        given = table.pop(name, None)
        override = self._environment.get(_variable(key))
        if override is not None:
            given = self._from_text(key, kind, override)
        if given is None:
            if default is None:
                raise WrongConfig(f"{self._path}: {key} is missing")
            return default
        if type(given) is not kind and not (kind is float and type(given) is int):
            raise WrongConfig(f"{self._path}: {key} = {given!r}: must be {_WORDS[kind]}")
        return given

    def _from_text(self, key: str, kind: type, text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise WrongConfig(f"environment: {_variable(key)}={text}: must be {_WORDS[kind]}") from None

    def devices(self, profiles: Path) -> tuple[DeviceConfig, ...]:
        entries = self._table.pop("devices", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise WrongConfig(f"{self._path}: devices must be written as [[devices]]")
        devices = tuple(self._device(i, entry, profiles) for i, entry in enumerate(entries, 1))
        ids = [device.id for device in devices]
        for device_id in ids:
            if ids.count(device_id) > 1:
                raise WrongConfig(f"{self._path}: two devices have the id {device_id!r}")
        return devices

    def _device(self, number: int, entry: dict[str, Any], profiles: Path) -> DeviceConfig:
        where = f"{self._path}: device {entry.get('id', number)}"
        device = read_device(where, entry, profiles)
        self._check_secret(where, device.options)
        return device

    def _check_secret(self, where: str, options: Mapping[str, Any]) -> None:
        """A device's key stands in no file that everybody may read. Windows keeps such files to administrators."""
        if options.get("key") and os.name == "posix" and self._path.stat().st_mode & 0o007:
            raise WrongConfig(f"{where}: everybody may read this key: chmod 640 {self._path}, or say key_file instead")

    def check_unknown(self) -> None:
        sections = {key.partition(".")[0] for key in _KEYS if "." in key}
        for key, value in self._table.items():
            if key in sections and isinstance(value, dict):
                if value:
                    raise WrongConfig(f"{self._path}: nobody knows the key {key}.{next(iter(value))}")
            else:
                raise WrongConfig(f"{self._path}: nobody knows the key {key}")


_WORDS = {str: "a text", int: "a whole number", float: "a number"}
