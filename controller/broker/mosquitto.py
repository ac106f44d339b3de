"""The configuration of a mosquitto with the rules of the embedded broker. Pure: settings and users in, text out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contract.messages import MAX_PAYLOAD
from controller.broker.access import Login, Member, Permissions, controller_permissions
from controller.broker.nats import PAYLOAD_MARGIN

_LOG_TYPES = ("error", "warning", "notice", "information", "debug", "subscribe")
CONF, ACL, PASSWORDS = "fabfleet.conf", "fabfleet.acl", "fabfleet.passwords"


@dataclass(frozen=True, slots=True)
class MosquittoSettings:
    """Where it listens, where the files will lie, and, for TLS, certificate chain and key.

    With `tells` its log says what the controller reads there: see mosquitto_log.
    """

    folder: Path
    port: int
    host: str = ""
    certificate: Path | None = None
    key: Path | None = None
    tells: bool = False


def render_users(controller: Login, controller_hash: str, users: Iterable[Member]) -> dict[str, str]:
    """Who may come in, as files by name. A user without a hash that mosquitto knows is left out: see `missing`."""
    known = [each for each in users if each.mosquitto_hash]
    rights = [
        _rights(controller.user, controller_permissions()),
        *(_rights(each.user, each.permissions) for each in known),
    ]
    passwords = [
        f"{controller.user}:{controller_hash}",
        *(f"{each.user}:{each.mosquitto_hash}" for each in known),
    ]
    return {ACL: "\n".join(rights), PASSWORDS: "\n".join((*passwords, ""))}


def missing(users: Iterable[Member]) -> tuple[str, ...]:
    """Those who cannot come in: they have had no new password since before mosquitto's form was kept."""
    return tuple(each.user for each in users if not each.mosquitto_hash)


def render_conf(settings: MosquittoSettings) -> str:
    """What mosquitto is started with: all but who may come in."""
    lines = [
        "# Made by `fabfleet broker-config mosquitto`; who may come in stands in the two files below.",
        "per_listener_settings false",
        "allow_anonymous false",
        f"password_file {settings.folder / PASSWORDS}",
        f"acl_file {settings.folder / ACL}",
        f"message_size_limit {MAX_PAYLOAD + PAYLOAD_MARGIN}",
        "max_queued_messages 5000",
        *(f"log_type {kind}" for kind in _LOG_TYPES if settings.tells),
        "persistence false",
        f"listener {settings.port} {settings.host}".rstrip(),
        "# An agent cannot end another's connection by taking its client id. It must stand below the listener: above",
        "# it mosquitto opens another one for it, on 1883 in the clear.",
        "use_username_as_clientid true",
    ]
    if settings.certificate is not None:
        lines += [f"certfile {settings.certificate}", f"keyfile {settings.key}", "tls_version tlsv1.2"]
    return "\n".join((*lines, ""))


def _rights(user: str, permissions: Permissions) -> str:
    lines = [
        f"user {user}",
        *(f"topic write {topic}" for topic in permissions.publish),
        *(f"topic read {topic}" for topic in permissions.subscribe),
    ]
    return "\n".join((*lines, ""))
