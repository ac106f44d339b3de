"""Commands of `fabfleet` about who trusts whom: the authority, agents' credentials, an external broker's files."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from controller.config import ControllerConfig

if TYPE_CHECKING:
    from sqlalchemy import Engine


def add_transport_commands(add: Callable[..., argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add them to the parser of `fabfleet`; `add` makes one by name, description and what it does."""
    actions = add("ca", "The own certificate authority.").add_subparsers(required=True, metavar="ACTION")
    for name, text, command in (
        ("show", "its certificate, for browsers and agents to trust", _ca_show),
        ("fingerprint", "by which it is known: the SHA-256 of its certificate", _ca_fingerprint),
        ("rotate", "make another, which takes over once every agent trusts it", _ca_rotate),
    ):
        action = actions.add_parser(name, parents=[common], help=text)
        action.set_defaults(command=command)
    action.add_argument("--finish", action="store_true", help="let it take over now: agents that missed it enrol anew")
    renew = add("renew", "Have agents renew their passwords and keys; the old ones are good until then.", _renew)
    renew.add_argument("--school", default="", help="only of this school")
    renew.add_argument("--agent", default="", help="only this one; needs --school")
    files = add("broker-config", "Write the configuration of a broker that is not the embedded one.", _broker_config)
    files.add_argument("kind", choices=("mosquitto", "nats"))
    files.add_argument("folder", type=Path, help="where the files go")
    files.add_argument("--certificate", type=Path, help="chain for TLS (default: the controller's own)")
    files.add_argument("--key", type=Path)


def _ca_show(_options: argparse.Namespace, config: ControllerConfig) -> int:
    return _of_authority(config, "pem")


def _ca_fingerprint(_options: argparse.Namespace, config: ControllerConfig) -> int:
    return _of_authority(config, "fingerprint")


def _of_authority(config: ControllerConfig, what: str) -> int:
    from controller.tls.authority import BadCertificate
    from controller.tls.store import TlsStore

    try:
        known = TlsStore(config.folder).anchor()
    except (OSError, BadCertificate) as error:
        return failed(error)
    if known is None:
        return failed(ValueError("there is no authority yet: it is made at the first start with TLS"))
    print(getattr(known, what).rstrip())
    return 0


def _ca_rotate(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.tls.rotation import rotate

    return _with_engine(config, lambda engine, now_ms: print(rotate(config, engine, now_ms, finish=options.finish)))


def _renew(options: argparse.Namespace, config: ControllerConfig) -> int:
    from sqlmodel import Session

    from controller.fleet import renewals

    def act(engine: "Engine", now_ms: int) -> None:
        with Session(engine) as db:
            count = renewals.ask(db, now_ms, options.school, options.agent)
            db.commit()
        print(f"{count} agents are asked; each goes on with what it has until it has the new")

    if options.agent and not options.school:
        return failed(ValueError("--agent needs --school"))
    return _with_engine(config, act)


def _broker_config(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.broker.write import write_files

    def act(engine: "Engine", _now_ms: int) -> None:
        certificate, key = options.certificate, options.key
        for line in write_files(options.kind, config, engine, options.folder, certificate=certificate, key=key):
            print(line)

    return _with_engine(config, act)


def _with_engine(config: ControllerConfig, act: "Callable[[Engine, int], None]") -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from controller.broker.external import BrokerFilesError
    from controller.database import make_engine, migrate
    from controller.main import wall_ms
    from controller.tls.authority import BadCertificate
    from controller.tls.rotation import RotationError

    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = make_engine(config.database)
    try:
        migrate(engine)
        act(engine, wall_ms())
    except (BadCertificate, BrokerFilesError, RotationError, SQLAlchemyError, OSError) as error:
        return failed(error)
    finally:
        engine.dispose()
    return 0


def failed(error: Exception) -> int:
    """Say why in one line; the exit code."""
    print(f"fabfleet: {error}", file=sys.stderr)
    return 1
