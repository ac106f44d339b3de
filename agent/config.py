"""The agent's configuration: agent.toml, with any single-valued key overridden by FABFLEET_*, as frozen dataclasses."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.connection import Broker
from agent.desired import read_desired, settings
from agent.discovery_subnet import Settings, Sweep, parse_subnet
from agent.download import Source
from agent.errors import WrongConfig
from agent.files import replace_file
from agent.identity import Identity, read_identity
from agent.job_files import Room
from agent.outbox import Limits
from contract.model import ContractError, Value, check_name, check_text
from contract.topics import Address
from device_profiles.profile import PROFILES, DeviceProfile, ProfileError, load
from firmware_bridges.fed import PLUG, fed

PREFIX = "FABFLEET_"
CREDENTIALS = "credentials.json"
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device to look after. `options` go on top of the profile's; an empty `room` is the agent's."""

    id: str
    name: str
    profile: DeviceProfile
    endpoint: str = ""
    room: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


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
    state: Path
    source: Path


_KEYS: Mapping[str, tuple[type, Any]] = {
    "school": (str, None),
    "agent": (str, None),
    "room": (str, ""),
    "broker.host": (str, "127.0.0.1"),
    "broker.port": (int, 1883),
    "broker.tls_ca": (str, ""),
    "broker.keepalive_s": (int, 10),
    "broker.spread_s": (float, 0.0),
    "broker.place": (float, 0.0),
    "controller.url": (str, ""),
    "controller.tls_ca": (str, ""),
    "files.budget_mb": (int, 500),
    "files.largest_mb": (int, 100),
    "outbox.budget_mb": (int, 64),
    "outbox.kept_mb": (int, 32),
    "outbox.kept_h": (int, 48),
    "flush_s": (float, 1.0),
    "discovery.subnet": (str, ""),
    "discovery.community": (str, "public"),
    "discovery.packets_s": (float, 20.0),
    "discovery.sweep_every_h": (float, 24.0),
    "discovery.hear_every_h": (float, 0.5),
}
"""Every single-valued key: its type and default; None: it must be given."""
_DEVICE_KEYS = frozenset({"id", "name", "profile", "endpoint", "room", "options"})


def load_config(
    path: Path, state: Path, environment: Mapping[str, str] = os.environ, profiles: Path = PROFILES
) -> AgentConfig:
    """Read the file; what the controller wants goes on top, the environment above all.

    Raises WrongConfig with a message for the user that names the file and the key.
    """
    reader = _Reader(path, _read_toml(path), environment, settings(read_desired(state)))
    values = {key: reader.value(key, kind, default) for key, (kind, default) in _KEYS.items()}
    devices = reader.devices(profiles)
    reader.check_unknown()
    try:
        address = Address(values["school"], values["agent"])
        check_text(values["room"], "room", 64)
    except ContractError as error:
        raise WrongConfig(f"{path}: {error}") from None
    credentials = read_credentials(state, address)
    address = credentials.address or address
    return AgentConfig(
        address=address,
        room=values["room"],
        broker=_broker(path, values, credentials),
        lease_key=credentials.lease_key,
        credentials=credentials,
        identity=read_identity(state),
        devices=devices,
        flush_s=_within(path, "flush_s", values["flush_s"], 0.05, 3600),
        job_source=Source(
            url=values["controller.url"],
            address=address,
            key=credentials.lease_key,
            tls_ca=values["controller.tls_ca"] or values["broker.tls_ca"],
        ),
        job_room=Room(
            budget=_megabytes(path, values, "files.budget_mb", 1),
            largest=_megabytes(path, values, "files.largest_mb", 1),
        ),
        limits=Limits(
            budget_bytes=_megabytes(path, values, "outbox.budget_mb", 1),
            kept_bytes=_megabytes(path, values, "outbox.kept_mb", 0),
            kept_ms=_within(path, "outbox.kept_h", values["outbox.kept_h"], 0, 10_000) * 3_600_000,
        ),
        discovery=_discovery(path, values),
        state=state,
        source=path,
    )


def _discovery(path: Path, values: Mapping[str, Any]) -> Settings:
    try:
        if values["discovery.subnet"]:
            parse_subnet(values["discovery.subnet"])
    except ValueError as error:
        raise WrongConfig(f"{path}: discovery.subnet: {error}") from None
    packets_s = _within(path, "discovery.packets_s", values["discovery.packets_s"], 1, 200)
    sweep = Sweep(values["discovery.subnet"], values["discovery.community"], packets_s)
    return Settings(
        sweep=sweep if sweep.subnet else None,
        sweep_every_h=_within(path, "discovery.sweep_every_h", values["discovery.sweep_every_h"], 0, 10_000),
        hear_every_h=_within(path, "discovery.hear_every_h", values["discovery.hear_every_h"], 0, 10_000),
    )


def _broker(path: Path, values: Mapping[str, Any], credentials: Credentials) -> Broker:
    return Broker(
        host=values["broker.host"],
        port=_within(path, "broker.port", values["broker.port"], 1, 65_535),
        username=credentials.user,
        password=credentials.password,
        tls_ca=values["broker.tls_ca"],
        keepalive_s=_within(path, "broker.keepalive_s", values["broker.keepalive_s"], 2, 600),
        spread_s=_within(path, "broker.spread_s", values["broker.spread_s"], 0, 600),
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
        raise WrongConfig(f"{path}: cannot be read ({error}); enrol this agent again") from None


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
        raise WrongConfig(f"{path}: there is no such file; `fabfleet-agent enrol URL TOKEN` writes one") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongConfig(f"{path}: {error}") from None


def _within(path: Path, key: str, value: Any, least: float, most: float) -> Any:
    if not least <= value <= most:
        raise WrongConfig(f"{path}: {key} = {value}: must be between {least} and {most}")
    return value


def _megabytes(path: Path, values: Mapping[str, Any], key: str, least: int) -> int:
    """In bytes."""
    return int(_within(path, key, values[key], least, 100_000)) * _MEGABYTE


class _Reader:
    """Takes keys out of the TOML table, so that what is left over is what nobody knows."""

    def __init__(
        self, path: Path, table: dict[str, Any], environment: Mapping[str, str], desired: Mapping[str, Value]
    ) -> None:
        self._path = path
        self._table = table
        self._environment = environment
        self._desired = desired

    def value(self, key: str, kind: type, default: Any) -> Any:
        section, _, name = key.rpartition(".")
        table = self._table.get(section, {}) if section else self._table
        if not isinstance(table, dict):
            raise WrongConfig(f"{self._path}: {section} must be a table: [{section}]")
        given = table.pop(name, None)
        given = self._desired.get(key, given)
        override = self._environment.get(PREFIX + key.upper().replace(".", "_"))
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
            name = PREFIX + key.upper().replace(".", "_")
            raise WrongConfig(f"environment: {name}={text}: must be {_WORDS[kind]}") from None

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
        unknown = entry.keys() - _DEVICE_KEYS
        if unknown:
            raise WrongConfig(f"{where}: nobody knows the key {min(unknown)!r}")
        for key in ("id", "profile"):
            if key not in entry:
                raise WrongConfig(f"{where}: {key} is missing")
        for key in _DEVICE_KEYS - {"options"}:
            if not isinstance(entry.get(key, ""), str):
                raise WrongConfig(f"{where}: {key} = {entry[key]!r}: must be a text")
        if not isinstance(entry.get("options", {}), dict):
            raise WrongConfig(f"{where}: options must be a table")
        self._check_secret(where, entry.get("options", {}))
        try:
            check_name(entry["id"], "id")
            profile = load(entry["profile"], profiles)
            name = entry.get("name", profile.name)
            check_text(name, "name", 128)
            check_text(entry.get("room", ""), "room", 64)
        except (ContractError, ProfileError) as error:
            raise WrongConfig(f"{where}: {error}") from None
        options = entry.get("options", {})
        plug = {**profile.options, **options}.get(PLUG)
        if plug is not None and not isinstance(plug, dict):
            raise WrongConfig(f"{where}: options.{PLUG} must be a table with the plug's endpoint")
        return DeviceConfig(
            id=entry["id"],
            name=name,
            profile=fed(profile) if plug else profile,
            endpoint=entry.get("endpoint", ""),
            room=entry.get("room", ""),
            options=options,
        )

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
