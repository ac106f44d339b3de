"""The command `fabfleet`. Each command imports what it needs, so that none waits for the others."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from controller.config import ConfigError, ControllerConfig, load
from controller.transport_commands import add_transport_commands

if TYPE_CHECKING:
    from controller.identity.admin import Admin
    from controller.identity.verify import Noted

Command = Callable[[argparse.Namespace, ControllerConfig], int]
_GARBAGE = 50_000
"""New objects before the collector looks for cycles: what a start loads stays, and a look every 700 slows it down."""
_HOUR_MS = 3_600_000
_DURATIONS = {"m": 60_000, "h": _HOUR_MS, "d": 24 * _HOUR_MS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. 2 for a wrong call or configuration, 1 if it could not be done."""
    gc.set_threshold(_GARBAGE)
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["simulate"]:  # its options are the simulator's own
        from controller.simulation import main as simulate

        return simulate(given[1:])
    options = parser().parse_args(given)
    try:
        config = load(
            options.config,
            os.environ,
            state=options.state,
            host=getattr(options, "host", None),
            port=getattr(options, "port", None),
            plain_http_beyond_loopback=getattr(options, "plain_http_beyond_loopback", None),
        )
    except ConfigError as error:
        print(f"fabfleet: {error}", file=sys.stderr)
        return 2
    os.umask(0o077)
    command: Command = options.command
    try:
        return command(options, config)
    except Exception as error:
        if not _unavailable(config, error):
            raise
        return _failed(error)


def _unavailable(config: ControllerConfig, error: Exception) -> bool:
    """Whether the error is that the database is away, full or busy."""
    from controller.database import make_engine
    from controller.faults import faults_in

    return faults_in(make_engine(config.database)).unavailable(error)


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="fabfleet", description="Watch and share the machines of a cluster of schools.")
    top.set_defaults(config=None, state=None)
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", type=Path, help="settings (default /etc/fabfleet/controller.toml)")
    common.add_argument("--state", type=Path, help="where everything is kept (default /var/lib/fabfleet)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str, command: Command | None = None) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=text, description=text)
        made.set_defaults(command=command)
        return made

    serving = add("serve", "Run the controller.", _serve)
    trying = add("demo", "Run a demo cluster of three invented schools and this machine.", _demo)
    for each in (serving, trying):
        each.add_argument("--host", help="address to listen on (default 127.0.0.1)")
        each.add_argument("--port", type=int, help="port to listen on (default 8080)")
    trying.add_argument("--with-parent", action="store_true", help="stop when the process that started it ends")
    serving.add_argument("--plain-http-beyond-loopback", action="store_true", default=None, help="no TLS on a network")
    waiting = "load everything, then wait for the end of standard input"
    serving.add_argument("--hold", action="store_true", help=waiting)
    breaking = add("demo-fault", "Break a machine of the running demo; without arguments what there is.", _demo_fault)
    breaking.add_argument("machine", nargs="?", help="printer or projector")
    breaking.add_argument("fault", nargs="?", help="what it has from now on; none: it is put right")
    commands.add_parser("simulate", help="Run simulated agents; see fabfleet simulate --help.", add_help=False)
    proving = add(
        "verify", "Prove that nothing produced is missing, booked or done twice, and the audit log is whole.", _verify
    )
    proving.add_argument("--seal", type=_seal, help="a seal of the audit log noted before, as NUMBER:HASH")
    exporting = add("export", "Write roll-ups and the use of what is shared, without people, for others.", _export)
    exporting.add_argument(
        "--from", dest="first", type=date.fromisoformat, required=True, help="first day, like 2026-09-01"
    )
    exporting.add_argument("--to", dest="last", type=date.fromisoformat, required=True, help="last day")
    exporting.add_argument("--dir", type=Path, required=True, help="a new or empty folder")
    add("migrate", "Bring the database up to date.", _migrate)
    add("backup", "Write database and job files into one file, also while the controller runs.", _backup).add_argument(
        "file", type=Path
    )
    add("restore", "Put a backup in place of the database. Stop the controller first.", _restore).add_argument(
        "file", type=Path
    )
    _add_user_commands(add("user", "Accounts."), common)
    _add_token_commands(add("token", "Bearer tokens for programs."), common)
    add_transport_commands(add, common)
    enrol = add("enrol-token", "Make a one-time token that adds agents to a school.", _enrol_token)
    enrol.add_argument("--school", required=True, help="short name as in topics; made if it is new")
    enrol.add_argument("--school-name", default="", help="name on the pages, for a new school")
    enrol.add_argument("--room", default="", help="short name of a room; made if it is new")
    enrol.add_argument("--room-name", default="", help="name on the pages, for a new room")
    enrol.add_argument("--uses", type=int, default=1, help="how many agents it may add (default 1)")
    enrol.add_argument("--expires", type=duration_ms, default=_HOUR_MS, help="like 30m, 12h, 7d (default 1h)")
    return top


def _add_user_commands(user: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = user.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", parents=[common], help="make an account")
    add.add_argument("login")
    add.add_argument(
        "--role", required=True, choices=("teacher", "technician", "coordinator", "administrator", "auditor")
    )
    add.add_argument("--school", help="only this school; without it the whole cluster")
    add.add_argument("--name", required=True, help="full name")
    add.set_defaults(command=_user_add)
    password = actions.add_parser(
        "password", parents=[common], help="set a new password and end the account's sessions"
    )
    password.add_argument("login")
    password.set_defaults(command=_user_password)
    for each in (add, password):
        each.add_argument("--password-stdin", action="store_true", help="read it from standard input, else one is made")
    for name, text in (("disable", "end an account's sessions and tokens"), ("enable", "let it in again")):
        action = actions.add_parser(name, parents=[common], help=text)
        action.add_argument("login")
        action.set_defaults(command=_user_disable, disabled=name == "disable")
    export = actions.add_parser("export", parents=[common], help="print all that is kept of a person, as JSON")
    export.add_argument("login")
    export.set_defaults(command=_user_export)
    erase = actions.add_parser("erase", parents=[common], help="blank a person's data for good; see docs/privacy.md")
    erase.add_argument("login")
    erase.add_argument("--yes", action="store_true", required=True, help="it cannot be undone")
    erase.set_defaults(command=_user_erase)
    actions.add_parser("list", parents=[common], help="all accounts").set_defaults(command=_user_list)


def _add_token_commands(token: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = token.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", parents=[common], help="make a token that acts for an account; shown once")
    add.add_argument("login")
    add.add_argument("--name", required=True, help="what it is for")
    add.add_argument("--expires", type=duration_ms, help="like 90d (default: never)")
    add.set_defaults(command=_token_add)
    revoke = actions.add_parser("revoke", parents=[common], help="end a token")
    revoke.add_argument("id")
    revoke.set_defaults(command=_token_revoke)
    actions.add_parser("list", parents=[common], help="all tokens, without the secrets").set_defaults(
        command=_token_list
    )


def duration_ms(text: str) -> int:
    """`30m`, `12h`, `7d` in milliseconds. Raises argparse's error."""
    number, unit = text[:-1], text[-1:]
    if unit not in _DURATIONS or not number.isdecimal() or not 0 < int(number) < 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 30m, 12h or 7d")
    return int(number) * _DURATIONS[unit]


# running


def _serve(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.main import create_app
    from controller.serve import CannotStart, Unsafe, serve, set_up_logging

    set_up_logging(config.log_level)
    try:
        app = create_app(config)
        if options.hold:
            sys.stdin.buffer.read()
        serve(config, app)
    except (Unsafe, CannotStart) as error:
        return _failed(error)
    except KeyboardInterrupt:  # before it was up
        return 130
    return 0


def _demo(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.demo.demo import run

    return run(config.state, config.host, config.port, with_parent=options.with_parent)


def _demo_fault(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.demo.fault_command import run

    return run(config.state, options.machine, options.fault)


def _seal(text: str) -> "Noted":
    """`12:ab…`. Raises argparse's error."""
    from controller.identity.verify import noted

    try:
        return noted(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _verify(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.commands.verify import main as verify_commands
    from controller.database import make_engine
    from controller.identity.verify import main as verify_audit
    from controller.ingest.verify import main as verify_ingest
    from controller.main import wall_ms
    from controller.scheduling.verify import main as verify_bookings
    from controller.telemetry.verify import main as verify_archive

    engine = make_engine(config.database)
    return max(
        verify_ingest(engine),
        verify_archive(engine, config.archive),
        verify_bookings(engine, wall_ms),
        verify_commands(engine),
        verify_audit(engine, options.seal),
    )


def _export(options: argparse.Namespace, config: ControllerConfig) -> int:
    from zoneinfo import ZoneInfo

    from controller.database import make_engine
    from controller.export.export import ExportError, export

    try:
        counts = export(make_engine(config.database), ZoneInfo(config.zone), options.first, options.last, options.dir)
    except ExportError as error:
        return _failed(error)
    for name, count in counts.items():
        print(f"{name:12} {count:12,} rows")
    return 0


# the database


def _migrate(_options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.database import TooNew, make_engine, migrate

    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = make_engine(config.database)
    try:
        migrate(engine)
    except TooNew as error:
        return _failed(error)
    finally:
        engine.dispose()
    return 0


def _backup(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.backup.errors import BackupError
    from controller.backup.service import backup
    from controller.main import wall_ms

    try:
        size = backup(config, options.file, wall_ms)
    except BackupError as error:
        return _failed(error)
    print(f"{options.file}: {size:,} bytes")
    return 0


def _restore(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.backup.errors import BackupError
    from controller.backup.service import lines, restore
    from controller.lock import InUse
    from controller.main import wall_ms

    try:
        done = restore(config, options.file, wall_ms)
    except (BackupError, InUse) as error:
        return _failed(error)
    for line in lines(done, config.zone):
        print(line)
    return 0


# accounts and tokens


def _administer(config: ControllerConfig, act: "Callable[[Admin], None]") -> int:
    from contract.model import ContractError
    from controller.database import TooNew, make_engine, migrate
    from controller.identity.admin import Admin, AdminError
    from controller.identity.password import Passwords
    from controller.main import wall_ms

    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = make_engine(config.database)
    try:
        migrate(engine)
        act(Admin(engine, Passwords(), wall_ms))
    except (AdminError, ContractError, TooNew) as error:
        return _failed(error)
    finally:
        engine.dispose()
    return 0


def _password(options: argparse.Namespace) -> str:
    """From standard input, or made and shown."""
    from controller.identity.password import generate

    if options.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password = generate()
    print(f"password: {password}")
    return password


def _user_add(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.identity.admin import NewUser
    from controller.identity.policy import Role

    new = NewUser(options.login, options.name, Role(options.role), options.school)

    def act(admin: "Admin") -> None:
        admin.add_user(new, _password(options))

    return _administer(config, act)


def _user_password(options: argparse.Namespace, config: ControllerConfig) -> int:
    return _administer(config, lambda admin: admin.set_password(options.login, _password(options)))


def _user_disable(options: argparse.Namespace, config: ControllerConfig) -> int:
    return _administer(config, lambda admin: admin.disable(options.login, disabled=options.disabled))


def _user_export(options: argparse.Namespace, config: ControllerConfig) -> int:
    return _administer(config, lambda admin: print(admin.export(options.login), end=""))


def _user_erase(options: argparse.Namespace, config: ControllerConfig) -> int:
    return _administer(config, lambda admin: admin.erase(options.login))


def _user_list(_options: argparse.Namespace, config: ControllerConfig) -> int:
    def act(admin: "Admin") -> None:
        for user in admin.users():
            state = "disabled" if user.disabled else "active"
            print(f"{user.login:20} {user.role:14} {user.school_id or '(cluster)':24} {state:9} {user.name}")

    return _administer(config, act)


def _token_add(options: argparse.Namespace, config: ControllerConfig) -> int:
    return _administer(config, lambda admin: print(admin.add_api_token(options.login, options.name, options.expires)))


def _token_revoke(options: argparse.Namespace, config: ControllerConfig) -> int:
    return _administer(config, lambda admin: admin.revoke_api_token(options.id))


def _token_list(_options: argparse.Namespace, config: ControllerConfig) -> int:
    def act(admin: "Admin") -> None:
        for token in admin.api_tokens():
            print(f"{token.id}  {'revoked' if token.revoked else 'active':8} {token.name}")

    return _administer(config, act)


def _enrol_token(options: argparse.Namespace, config: ControllerConfig) -> int:
    from controller.fleet.enrolment import Place
    from controller.fleet.token_text import token_text

    place = Place(options.school, options.room, options.school_name, "", options.room_name)

    def act(admin: "Admin") -> None:
        print(token_text(admin.add_enrol_token(place, options.uses, options.expires), config))

    return _administer(config, act)


def _failed(error: Exception) -> int:
    print(f"fabfleet: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
