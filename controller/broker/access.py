"""Who may say and hear what at the broker. Pure."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

import bcrypt

from contract.topics import DOWN, UP, Address, Channel, filter_for

_ROUNDS = 4
"""The least bcrypt takes: passwords are 256 random bits, so slowness adds nothing but a slow reconnect of a school."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and password at the broker."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """An agent that may connect, by the bcrypt hash of its password."""

    address: Address
    password_hash: str = field(repr=False)


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


def agent_permissions(address: Address) -> Permissions:
    """An agent writes its own upward channels and hears its own downward ones."""
    return Permissions(_topics(address, UP), _topics(address, DOWN))


def controller_permissions() -> Permissions:
    return Permissions(_filters(DOWN), _filters(UP))


def _topics(address: Address, channels: Iterable[Channel]) -> tuple[str, ...]:
    return tuple(address.topic(channel) for channel in channels)


def _filters(channels: Iterable[Channel]) -> tuple[str, ...]:
    return tuple(filter_for(channel) for channel in channels)
