"""Commands given at the machine with `fabfleet-agent do`: the running agent's half. agent.do is the other."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from agent.commands import LOCAL, Commands
from agent.job_files import LONGEST_S
from agent.outbox import random_epoch
from contract.lease import STOP_EXPIRY_MS
from contract.model import Command, CommandStatus, Kind, Value
from device_profiles.profile import Action, DeviceProfile

EXECUTE_S = 150.0
"""How long a machine may take once it has begun, before whoever asked is told to look for himself."""
WAIT_S = LONGEST_S + EXECUTE_S
"""The longest that `answer` takes."""


def answer(
    given: Mapping[str, Any], profiles: Mapping[str, DeviceProfile], commands: Commands, now_ms: Callable[[], int]
) -> Mapping[str, Any]:
    """`status` and `detail` of the outcome, an empty status if there is none yet.

    `given` has device, action, args (name -> text) and by. Wrong arguments are answered with what the action `takes`.
    Raises KeyError, TypeError, ValueError for what no `fabfleet-agent do` asks.
    """
    profile = profiles.get(given["device"])
    if profile is None:
        return _refused("no-such-device", takes=sorted(profiles))
    action = profile.actions.get(given["action"])
    if action is None:
        return _refused("no-such-action", takes=sorted(profile.actions))
    try:
        args = read_args(action, given["args"])
    except ValueError:
        return _refused("bad-arguments", takes=[f"{name}={_WORDS[kind]}" for name, kind in action.args.items()])
    begin_ms = round(1000 * LONGEST_S) if action.file else STOP_EXPIRY_MS
    command = Command(
        id=f"{LOCAL}{random_epoch()}",
        device=given["device"],
        action=action.name,
        args=args,
        by=str(given["by"])[:128],
        expires_ms=now_ms() + begin_ms,
    )
    outcome = commands.run_local(command, begin_ms / 1000 + EXECUTE_S)
    return asdict(outcome) if outcome else {"status": "", "detail": ""}


def read_args(action: Action, texts: Mapping[str, str]) -> dict[str, Value]:
    """Exactly the action's arguments, as they were typed, each by its kind. Raises ValueError."""
    if texts.keys() != action.args.keys():
        raise ValueError("not the arguments of this action")
    return {name: _READ[action.args[name]](text) for name, text in texts.items()}


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _refused(code: str, takes: list[str]) -> Mapping[str, Any]:
    return {"status": CommandStatus.REFUSED, "detail": code, "takes": takes}


_READ: Mapping[Kind, Callable[[str], Value]] = {
    Kind.TEXT: str,
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.BOOL: _truth,
}
_WORDS = {Kind.TEXT: "TEXT", Kind.INT: "NUMBER", Kind.FLOAT: "NUMBER", Kind.BOOL: "true|false"}
