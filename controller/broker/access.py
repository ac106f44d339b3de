"""Who may say and hear what at the broker. Pure."""

import base64
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import bcrypt

from contract.model import ContractError
from contract.topics import DOWN, UP, Address, Channel, filter_for

OUTWARD = "fabfleet"
"""Below it the controller tells foreign programs of the schools, each below a level of its own."""
_ROUNDS = 4
"""The least bcrypt takes: passwords are 256 random bits, so slowness adds nothing but a slow reconnect of a school."""
_SALT = 12
_ITERATIONS = 101
"""What mosquitto_passwd takes; as with bcrypt, more would only cost."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and password at the broker."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """An agent that may connect, by the bcrypt hash of its password; `mosquitto_hash` is the same in mosquitto's form.

    `number` tells apart two logins of one agent while its password is being changed: both are valid then.
    """

    address: Address
    password_hash: str = field(repr=False)
    mosquitto_hash: str = field(default="", repr=False)
    number: int = 0

    @property
    def user(self) -> str:
        return user_name(self.address, self.number)

    @property
    def permissions(self) -> "Permissions":
        return agent_permissions(self.address)


@dataclass(frozen=True, slots=True)
class Reader:
    """A foreign program that hears all there is below `prefix`, and says nothing. Hashes as an agent has them.

    `user` has a letter that no name has, so it is nobody else's.
    """

    user: str
    prefix: str
    password_hash: str = field(repr=False)
    mosquitto_hash: str = field(default="", repr=False)

    @property
    def permissions(self) -> "Permissions":
        return Permissions((), (f"{self.prefix}/#",))


Member: TypeAlias = BrokerUser | Reader
"""Whom the broker lets in beside the controller."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """Topics a user may publish and subscribe, as MQTT filters. Everything else is refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def new_password() -> str:
    return secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """What the broker keeps of a password made by `new_password`."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode()


def mosquitto_hash(password: str) -> str:
    """The same for mosquitto's password file, which knows no bcrypt: PBKDF2 with SHA-512 (its format 7)."""
    salt = secrets.token_bytes(_SALT)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def user_name(address: Address, number: int) -> str:
    """An agent's user name with its `number`-th password."""
    return f"{address.user}.{number}" if number else address.user


def address_of(user: str) -> Address | None:
    """Whose user name that is; None if it is no agent's."""
    school, _, rest = user.partition(".")
    try:
        return Address(school, rest.partition(".")[0])
    except ContractError:
        return None


def agent_permissions(address: Address) -> Permissions:
    """An agent writes its own upward channels and hears its own downward ones."""
    return Permissions(_topics(address, UP), _topics(address, DOWN))


def controller_permissions() -> Permissions:
    """What it tells foreign programs it also hears: so it finds what it has to take back."""
    told = (f"{OUTWARD}/#",)
    return Permissions((*_filters(DOWN), *told), (*_filters(UP), *told))


def _topics(address: Address, channels: Iterable[Channel]) -> tuple[str, ...]:
    return tuple(address.topic(channel) for channel in channels)


def _filters(channels: Iterable[Channel]) -> tuple[str, ...]:
    return tuple(filter_for(channel) for channel in channels)
