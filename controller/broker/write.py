"""Writes the files of an external broker: its configuration, its access list, and its users."""

import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine

from contract.topics import CONTROLLER
from controller.broker import mosquitto
from controller.broker.access import Login, Member
from controller.config import ControllerConfig
from controller.fleet.enrolment import broker_users
from controller.home_assistant.store import readers
from controller.tls.store import SERVER, TlsStore


class BrokerFilesError(Exception):
    """Nothing was written; the message says what to set first."""


def write_mosquitto(
    config: ControllerConfig, engine: Engine, folder: Path, certificate: Path | None, key: Path | None
) -> Iterator[str]:
    """Put the files into `folder`, each in one step; what there is to say. Raises BrokerFilesError, OSError."""
    if not config.broker.password:
        raise BrokerFilesError("set broker.user and broker.password: they are the controller's own login there")
    if (certificate is None) != (key is None):
        raise BrokerFilesError("--certificate, --key: give both or none")
    if certificate is None:
        own = TlsStore(config.folder).file(SERVER)
        certificate = key = own if own.exists() else None
    port = config.broker.tls_port if certificate is not None else config.broker.port
    settings = mosquitto.MosquittoSettings(folder.resolve(), port, "", certificate, key)
    users: list[Member] = [*broker_users(engine), *readers(engine)]
    login = Login(config.broker.user or CONTROLLER, config.broker.password)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in mosquitto.render(settings, login, users).items():
        draft = folder / f".{name}.new"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(folder / name)
        yield str(folder / name)
    if certificate is None:
        yield "without TLS: passwords cross the network in the clear"
    for user in mosquitto.missing(users):
        yield f"{user} cannot come in yet: enrol it again, or have it renew its credentials"
