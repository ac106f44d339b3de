"""The configuration of a NATS server, the embedded one or another. Pure: settings and users in, text out."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contract.messages import MAX_PAYLOAD
from contract.topics import CONTROLLER
from controller.broker.access import Login, Member, Permissions, controller_permissions

PAYLOAD_MARGIN = 16 * 1024
"""What the broker takes beyond the contract's bound, so that a payload slightly too large is counted, not cut off."""
CONF, USERS = "fabfleet-nats.conf", "fabfleet-users.conf"
"""The files of a server of somebody else's: the first one includes the second."""
_MEBI = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """Where the server listens and keeps its files. Bounds in bytes. Without `key` the certificate's file holds it.

    With `monitor`, a path, it tells whose connections are whose to whoever is on this machine and knows that path.
    """

    folder: Path
    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    monitor: str = ""
    max_connections: int = 10_000
    max_store: int = 1024 * _MEBI
    max_log: int = 4 * _MEBI

    @property
    def log(self) -> Path:
        return self.folder / "nats.log"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def file(self) -> Path:
        return self.folder / "nats.conf"


def render(settings: NatsSettings, controller_hash: str, users: Iterable[Member]) -> str:
    """The embedded server's configuration file. NATS reads JSON; only hashes of passwords are in it."""
    return json.dumps(
        {
            **_server(settings),
            "log_file": str(settings.log),
            "logfile_size_limit": settings.max_log,
            "logfile_max_num": 3,
            **_monitor(settings),
            "authorization": _authorization(CONTROLLER, controller_hash, users),
        },
        indent=1,
    )


def render_conf(settings: NatsSettings) -> str:
    """What a server of somebody else's is started with: all but who may come in."""
    lines = ["# Made by `fabfleet broker-config nats`."]
    lines += [f"{key}: {json.dumps(value)}" for key, value in _server(settings).items()]
    return "\n".join((*lines, f'include "{USERS}"', ""))


def render_users(controller: Login, controller_hash: str, users: Iterable[Member]) -> str:
    """Who may come in there."""
    return f"authorization: {json.dumps(_authorization(controller.user, controller_hash, users), indent=1)}\n"


def _server(settings: NatsSettings) -> dict[str, object]:
    return {
        "server_name": "fabfleet",
        # MQTT needs the server's own listener; on a port of the system's choice, and no user may use it.
        "host": "127.0.0.1",
        "port": -1,
        "mqtt": {
            "host": settings.host,
            "port": settings.port,
            **_tls(settings.certificate, settings.key),
            "ack_wait": "30s",
            "max_ack_pending": 1000,
            # Everyone's session begins anew with the connection. On disk, 500 agents that come back at once take
            # so long that they give up before they are let in, and come again.
            "consumer_memory_storage": True,
        },
        "jetstream": {
            "store_dir": str(settings.store),
            "max_mem": 64 * _MEBI,
            "max_file": settings.max_store,
            # Each agent takes four, one a channel; the server's own bound is 1,000 in all, or 249 agents.
            "limits": {"default_max_consumers": -1},
        },
        "max_payload": MAX_PAYLOAD + PAYLOAD_MARGIN,
        "max_connections": settings.max_connections,
        # Of one connection. Home Assistant has two a device; an agent may have no more than its rights name.
        "max_subscriptions": 20_000,
        "write_deadline": "10s",
    }


def _authorization(controller: str, controller_hash: str, users: Iterable[Member]) -> dict[str, object]:
    accounts = [
        _user(controller, controller_hash, controller_permissions()),
        *(_user(each.user, each.password_hash, each.permissions) for each in users),
    ]
    return {"timeout": 10, "users": accounts}


def address(file: Path) -> tuple[str, int] | None:
    """Host and port for MQTT in a configuration that `render` made; None if there is none yet."""
    try:
        listens = json.loads(file.read_text("utf-8"))["mqtt"]
    except FileNotFoundError:
        return None
    return listens["host"], listens["port"]


def _monitor(settings: NatsSettings) -> dict[str, object]:
    """On a port of the system's choice; which one, stands in a file."""
    if not settings.monitor:
        return {}
    folder = str(settings.folder)
    return {"http": "127.0.0.1:-1", "http_base_path": settings.monitor, "ports_file_dir": folder}


def _tls(certificate: Path | None, key: Path | None) -> dict[str, object]:
    if certificate is None:
        return {}
    return {"tls": {"cert_file": str(certificate), "key_file": str(key or certificate), "timeout": 10}}


def _user(name: str, password_hash: str, permissions: Permissions) -> dict[str, object]:
    return {
        "user": name,
        "password": password_hash,
        "allowed_connection_types": ["MQTT"],
        "permissions": {
            "publish": _only(permissions.publish),
            "subscribe": _only(permissions.subscribe),
        },
    }


def _only(filters: Iterable[str]) -> dict[str, list[str]]:
    """An empty list of what is allowed would allow everything."""
    subjects = [subject for each in filters for subject in _subjects(each)]
    return {"allow": subjects} if subjects else {"deny": [">"]}


def _subjects(topic: str) -> list[str]:
    """An MQTT topic filter as NATS subjects. Names have no letter that either side reads as anything else.

    `a/#` is also `a` itself.
    """
    subject = topic.replace("/", ".").replace("+", "*")
    return [subject.removesuffix(".#"), subject[:-1] + ">"] if subject.endswith(".#") else [subject]
