"""`fabfleet-agent`: run, enrol, do, doctor, discover, status, profile."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import VERSION
from agent.frugal import save_memory
from agent.places import config_file, state_folder

if TYPE_CHECKING:
    from device_profiles.profile import Words

_LOOK_S = 330.0
"""A little longer than the agent itself allows."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 for done, 1 for no, 2 for what the user has to correct."""
    from agent.errors import AgentError

    given = _parser().parse_args(arguments)
    state = given.state / "agent"
    config = given.config or config_file(given.state)
    try:
        return int(_COMMANDS[given.command](given, config, state))
    except AgentError as error:
        print(f"fabfleet-agent: {_spoken(error.words)}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"fabfleet-agent: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while it waited for a person: the same command asks again
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fabfleet-agent", description=__doc__)
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    state = state_folder(os.environ)
    common.add_argument("--state", type=Path, default=state, help=f"state folder (default {state})")
    common.add_argument(
        "--config",
        type=Path,
        help="agent.toml (default /etc/fabfleet/agent.toml; with another STATE: STATE/agent/agent.toml)",
    )
    run = commands.add_parser("run", parents=[common], help="look after this machine until stopped")
    run.add_argument("--die-with-parent", action="store_true", help="stop when standard input closes")
    run.add_argument("--verbose", action="store_true")
    enrol = commands.add_parser("enrol", parents=[common], help="become one of the fleet")
    enrol.add_argument("url", help="address of the server")
    enrol.add_argument("token", help="one-time token that the server gave")
    enrol.add_argument("--name", help="name of this agent (default: the computer's)")
    enrol.add_argument(
        "--name-from", choices=("hostname", "serial"), default="hostname", help="what it is named by without --name"
    )
    enrol.add_argument(
        "--replace", action="store_true", help="take the name of an agent whose computer this one stands in for"
    )
    enrol.add_argument(
        "--at-first-boot", action="store_true", help="for an image: each copy enrols by itself when it first runs"
    )
    grow = commands.add_parser(
        "grow", parents=[common], help="enrol by the seed that this copy of an image carries, and use it up"
    )
    grow.add_argument("file", type=Path, nargs="?", help="default: fabfleet-seed.toml on the boot partition")
    do = commands.add_parser(
        "do",
        parents=[common],
        help="carry out an action at this machine, also without the network, inside its lease",
        epilog="Exit code: 0 done; 1 not done (refused, expired, failed); 2 could not be asked; 3 nobody knows, look at"
        " the machine.",
    )
    do.add_argument("device", help="its id, as `status` tells")
    do.add_argument("action", help="such as stop")
    do.add_argument(
        "arguments",
        nargs="*",
        metavar="NAME=VALUE",
        help="what the action takes; a job file is path=FILE, or digest=SHA256 for one that the server released",
    )
    secret = commands.add_parser(
        "secret",
        parents=[common],
        help="give a device that was adopted on the server its key or password, which never leaves this computer",
        epilog="It is asked for, or read from standard input; an empty one is forgotten.",
    )
    secret.add_argument("device", help="its id, as `status` tells")
    secret.add_argument("option", help="such as key, password or community")
    doctor = commands.add_parser(
        "doctor",
        parents=[common],
        help="look whether all is well, and how to mend what is not",
        epilog="Exit code: 0 no fault (there may be warnings); 1 at least one fault. A running agent is not disturbed;"
        " while none runs, each device is opened and asked once.",
    )
    doctor.add_argument("--json", action="store_true", help="for scripts: a line of JSON for each thing looked at")
    commands.add_parser(
        "discover",
        parents=[common],
        help="look now for devices that nobody has adopted; a whole subnet takes some minutes",
    )
    commands.add_parser("status", parents=[common], help="how the running agent is")
    _add_profile(commands.add_parser("profile", parents=[common], help="check the file of a device profile"))
    if sys.platform == "win32":
        service = commands.add_parser("service", parents=[common], help="the Windows service; as administrator")
        service.add_argument("action", choices=("install", "remove", "run"), help="run: for Windows alone")
    return parser


def _add_profile(parser: argparse.ArgumentParser) -> None:
    check = parser.add_subparsers(dest="action", required=True).add_parser(
        "check",
        help="look at a profile as the agent would load it",
        epilog="Exit code: 0 right (there may be warnings); 1 something is wrong; 2 the file cannot be read.",
    )
    check.add_argument("file", type=Path, help="VENDOR/MODEL.toml")
    check.add_argument("--against", metavar="ENDPOINT", help="read all values of this device once; it gets no command")
    check.add_argument(
        "--commands",
        action="store_true",
        help="with --against: give every command that takes no argument. MACHINES MOVE AND HEAT: stand beside it",
    )
    check.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what agent.toml would say in `options`, such as password=...",
    )


def _profile(given: argparse.Namespace, _config_file: Path, _state: Path) -> int:
    from agent.profile_command import run

    return run(given, _say, _spoken)


def _run(given: argparse.Namespace, config_file: Path, state: Path) -> int:
    save_memory()
    from agent.config import load_config
    from agent.main import run

    logging.basicConfig(
        level=logging.INFO if given.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    _grow(config_file, state)
    while run(load_config(config_file, state), die_with_parent=given.die_with_parent):
        _say("new credentials: running on with them")
    return 0


def _grow(config_file: Path, state: Path) -> None:
    from agent.seed import sown

    seed = sown(state)
    if seed is not None:
        import time

        from agent.grow import grow

        grow(seed, config_file, state, tell=_tell_waiting, rest=time.sleep)


def _grow_from_seed(given: argparse.Namespace, config_file: Path, state: Path) -> int:
    """A copy that has its credentials enrols no more, whatever still lies on its card."""
    import time

    from agent.config import CREDENTIALS
    from agent.grow import consume, grow
    from agent.seed import card_at, read_card, read_seed

    card = given.file or card_at()
    if not (state / CREDENTIALS).exists():
        seed = read_card(card) if card else read_seed(state)
        if seed is None:
            _say("there is no seed")
            return 1
        grow(seed, config_file, state, tell=_tell_waiting, rest=time.sleep)
    consume(card, state)
    _say(f"{config_file}: enrolled; the seed is used up")
    return 0


def _enrol(given: argparse.Namespace, config_file: Path, state: Path) -> int:
    import time

    from agent.enrol import Wish, checked_name, default_name, enrol, open_door
    from agent.seed import Seed, sow
    from agent.settle import settle

    if given.at_first_boot:
        open_door(given.url, given.token)  # the address and the token are worth being copied
        sow(state, Seed(given.url, given.token, given.name_from))
        _say(f"{state}: sown; do not run the agent here before the image is made")
        return 0
    name = checked_name(given.name or default_name(given.name_from))
    enrolled = enrol(Wish(given.url, given.token, name, given.replace), state, _tell_waiting, time.sleep)
    settle(enrolled, config_file, state)
    _say(f"{enrolled.address}: {config_file}")
    return 0


def _tell_waiting(why: str) -> None:
    from agent.waiting import waiting_for

    _say(_spoken(waiting_for(why)))


def _do(given: argparse.Namespace, _config_file: Path, state: Path) -> int:
    from agent.do import do

    said = do(state, given.device, given.action, given.arguments)
    _say(_spoken(said.words))
    return said.code


def _secret(given: argparse.Namespace, _config_file: Path, state: Path) -> int:
    from getpass import getpass

    from agent.control import ask

    text = getpass(f"{given.device} {given.option}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    refused = ask(state, "secret", device=given.device, option=given.option, text=text)["refused"]
    if refused:
        print(f"fabfleet-agent: {refused}", file=sys.stderr)
    return 1 if refused else 0


def _doctor(given: argparse.Namespace, config_file: Path, state: Path) -> int:
    from agent.clock import Clock
    from agent.doctor import examine
    from agent.findings import Verdict

    worst = Verdict.GOOD
    for finding in examine(config_file, state, Clock()):
        worst = max(worst, finding.verdict, key=tuple(Verdict).index)
        what, seen, cure = (_spoken(words) for words in (finding.what, finding.seen, finding.cure))
        if given.json:
            found = {"code": finding.code, "verdict": finding.verdict, "what": what, "seen": seen, "cure": cure}
            _say(json.dumps(found, ensure_ascii=False))
            continue
        _say(f"{finding.verdict:8} {what}: {seen}")
        if cure:
            _say(f"         {cure}")
    return 1 if worst is Verdict.BAD else 0


def _discover(_given: argparse.Namespace, _config_file: Path, state: Path) -> int:
    """Exit code 1: it goes on looking."""
    from agent.control import ask

    told = ask(state, "discover", timeout_s=_LOOK_S)
    for each in told["found"]:
        best = each["candidates"][0] if each["candidates"] else {"profile": "?", "confidence": 0, "endpoint": ""}
        _say(f"{each['key']}  {each['name'] or '?'}  {best['profile']} {best['confidence']} %  {best['endpoint']}")
    return 0 if told["ended"] else 1


def _status(_given: argparse.Namespace, _config_file: Path, state: Path) -> int:
    from agent.control import ask

    for line in _status_lines(ask(state, "status")):
        _say(line)
    return 0


def _service(given: argparse.Namespace, config_file: Path, state: Path) -> int:
    if sys.platform == "win32":
        from agent import windows_service as service

        if given.action == "run":
            save_memory()
            service.serve_agent(config_file, state)
        elif given.action == "install":
            command = f'"{sys.executable}" -m agent service run --state "{given.state.absolute()}"'
            service.install(command)
        else:
            service.remove()
    return 0


def _status_lines(status: Mapping[str, Any]) -> list[str]:
    uplink, outbox, clock = status["uplink"], status["outbox"], status["clock"]
    lines = [
        f"agent    {status['address']} {status['version']}",
        f"server   {'online' if uplink['online'] else 'offline: ' + uplink['why']}",
        f"outbox   {outbox['fresh'] + outbox['attempted'] + outbox['recalled']} to send, {outbox['acked']} kept",
        f"clock    {'certain' if clock['certain'] else 'uncertain'}",
        *_config_lines(status["config"]),
    ]
    if outbox["waiting"]:
        lines.append(f"disk     takes nothing: {outbox['stalled_why']}")
    return lines + [_device_line(device) for device in status["devices"]]


def _config_lines(config: Mapping[str, Any]) -> list[str]:
    """What the server wants of this agent, if it ever wanted anything."""
    lines = []
    if config["number"]:
        trial = ", on trial" if config["on_trial"] else ""
        lines.append(f"settings {config['generation']}.{config['number']}{trial}")
    if config["how"]:
        number = f"{config['rejected_generation']}.{config['rejected_number']}"
        lines.append(f"settings {number} {config['how']}: {config['reason']}")
    return lines


def _device_line(device: Mapping[str, Any]) -> str:
    polls = device["polls"]
    late = f"{polls['missed']} of {polls['missed'] + polls['answered']} polls missed" if polls["missed"] else ""
    return " ".join(filter(None, ("device  ", device["id"], device["state"], device["detail"], late)))


def _spoken(words: "Words") -> str:
    language = os.environ.get("FABFLEET_LANGUAGE") or os.environ.get("LC_ALL") or os.environ.get("LANG", "")
    return words.vi if language.startswith("vi") else words.en


def _say(text: str) -> None:
    print(text, flush=True)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace, Path, Path], int]] = {
    "run": _run,
    "enrol": _enrol,
    "grow": _grow_from_seed,
    "do": _do,
    "secret": _secret,
    "doctor": _doctor,
    "discover": _discover,
    "status": _status,
    "profile": _profile,
    "service": _service,
}

if __name__ == "__main__":
    sys.exit(main())
