"""A computer stands at the door: who is it, and may it come in? One table of rules. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contract.machine import Part, fact, same_machine, surely_same


class Verdict(StrEnum):
    """What is done. `RETURNED` and `REPLACES` wait for a person's word; `RESET` has had it, once for all times."""

    NEW = "new"
    BACK = "back"
    RESET = "reset"
    STANDS_IN = "stands-in"
    RETURNED = "returned"
    REPLACES = "replaces"
    COPIED = "copied-identity"
    NAME_TAKEN = "name-taken"


WAITING: Final = frozenset({Verdict.RETURNED, Verdict.REPLACES})
FREE: Final = frozenset({Verdict.BACK, Verdict.RESET})
"""These take no use of a token: the agent had its own."""


class Worth(StrEnum):
    """Of a token, at the moment. `GOOD`: a use of it was taken just now. `ENDED`: a person said so."""

    GOOD = "good"
    USED_UP = "used-up"
    EXPIRED = "expired"
    ENDED = "ended"


CARRIES: Final[Mapping[Worth, frozenset[Verdict]]] = {
    Worth.GOOD: frozenset(Verdict),
    Worth.USED_UP: frozenset(Verdict) - {Verdict.NEW, Verdict.STANDS_IN},
    Worth.EXPIRED: frozenset(Verdict) - {Verdict.NEW, Verdict.STANDS_IN, Verdict.REPLACES},
    Worth.ENDED: frozenset(),
}
"""Which verdicts a token still leads to. The image of a known computer carries its token for ever: it may come back."""


@dataclass(frozen=True, slots=True)
class Known:
    """An agent as enrolment knows it. `elsewhere`: it is of another school."""

    id: int
    name: str
    instance: str = ""
    machine: tuple[str, ...] = ()
    revoked: bool = False
    resets: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Newcomer:
    """`instance` is that of the key it has shown, empty if it has none. `stands_for`: its token is for that agent."""

    name: str
    instance: str = ""
    machine: tuple[str, ...] = ()
    replace: bool = False
    stands_for: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """`known` is the agent that it is, or would be."""

    verdict: Verdict
    known: Known | None = None


@dataclass(frozen=True, slots=True)
class Likeness:
    """Which known agent has its key, which its hardware, which its name."""

    newcomer: Newcomer
    by_key: Known | None
    by_machine: Known | None
    by_name: Known | None
    stood_for: Known | None


_Rule = Callable[[Likeness], Decision | None]


def _key_of_another(like: Likeness) -> Decision | None:
    """One key is one agent: of one school, and not of two computers that take turns."""
    known = like.by_key
    if known is None or not (known.elsewhere or (like.stood_for and known != like.stood_for)):
        return None
    return Decision(Verdict.COPIED, known)


def _stands_in(like: Likeness) -> Decision | None:
    return Decision(Verdict.STANDS_IN, like.stood_for) if like.stood_for else None


def _same_key(like: Likeness) -> Decision | None:
    """The key on the computer it was made on is the agent itself; on another computer it is a copy."""
    known = like.by_key
    if known is None:
        return None
    if known.machine and like.newcomer.machine and not same_machine(known.machine, like.newcomer.machine):
        return Decision(Verdict.COPIED, known)
    return Decision(Verdict.RETURNED if known.revoked else Verdict.BACK, known)


def _same_machine(like: Likeness) -> Decision | None:
    """Re-imaged, or frozen: a person says once whether it is what it seems."""
    known = like.by_machine
    if known is None:
        return None
    unasked = known.resets and not known.revoked and surely_same(known.machine, like.newcomer.machine)
    return Decision(Verdict.RESET if unasked else Verdict.RETURNED, known)


def _same_name(like: Likeness) -> Decision | None:
    if like.by_name is None:
        return None
    return Decision(Verdict.REPLACES if like.newcomer.replace else Verdict.NAME_TAKEN, like.by_name)


RULES: Final[Sequence[_Rule]] = (_key_of_another, _stands_in, _same_key, _same_machine, _same_name)
"""The first that has something to say decides; if none has, the computer is new."""


def decide(newcomer: Newcomer, known: Iterable[Known]) -> Decision:
    """`known` are all agents of the school, and those of other schools that have this key."""
    everyone = sorted(known, key=lambda each: each.elsewhere)
    agents = [each for each in everyone if not each.elsewhere]
    like = Likeness(
        newcomer,
        by_key=next((each for each in everyone if newcomer.instance and each.instance == newcomer.instance), None),
        by_machine=next((each for each in agents if same_machine(each.machine, newcomer.machine)), None),
        by_name=next((each for each in agents if each.name == newcomer.name), None),
        stood_for=next((each for each in agents if newcomer.stands_for and each.name == newcomer.stands_for), None),
    )
    return next((found for rule in RULES if (found := rule(like))), Decision(Verdict.NEW))


@dataclass(frozen=True, slots=True)
class Expected:
    """A computer of the list of assets."""

    serial: str
    mac: str
    name: str
    room: str = ""


def expected(machine: Iterable[str], listed: Iterable[Expected], salt: str) -> Expected | None:
    """The one of the list that has a serial number or a network card of this computer."""
    facts = frozenset(machine)
    for each in listed:
        known = {
            fact(Part.SERIAL, each.serial, salt),
            fact(Part.BOARD, each.serial, salt),
            fact(Part.MAC, each.mac, salt),
        }
        if facts & (known - {""}):
            return each
    return None
