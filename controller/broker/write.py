"""Writes the files with which a broker that is not the embedded one is started."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine

from contract.topics import CONTROLLER
from controller.broker import mosquitto, nats
from controller.broker.access import Login, Member
from controller.broker.external import BrokerFilesError, ExternalBroker, write_file
from controller.config import ControllerConfig
from controller.fleet.enrolment import broker_users
from controller.home_assistant.store import readers
from controller.tls.store import SERVER, TlsStore


def write_files(
    kind: str, config: ControllerConfig, engine: Engine, folder: Path, *, certificate: Path | None, key: Path | None
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
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    users: list[Member] = [*broker_users(engine), *readers(engine)]
    ExternalBroker(kind, folder, external_login(config)).set_users(users)
    if kind == "nats":
        yield from _written(folder / nats.CONF, nats.render_conf(_nats(folder, port, certificate, key)))
    else:
        settings = mosquitto.MosquittoSettings(folder, port, "", certificate, key, tells=config.broker.log is not None)
        yield from _written(folder / mosquitto.CONF, mosquitto.render_conf(settings))
        for user in mosquitto.missing(users):
            yield f"{user} cannot come in yet: enrol it again, or have it renew its credentials"
    if certificate is None:
        yield "without TLS: passwords cross the network in the clear"


def external_login(config: ControllerConfig) -> Login:
    """The controller's own at a broker of somebody else's."""
    return Login(config.broker.user or CONTROLLER, config.broker.password)


def _nats(folder: Path, port: int, certificate: Path | None, key: Path | None) -> nats.NatsSettings:
    return nats.NatsSettings(folder, "0.0.0.0", port, certificate, key)  # noqa: S104 - for the whole network


def _written(path: Path, text: str) -> Iterator[str]:
    write_file(path, text)
    yield str(path)
