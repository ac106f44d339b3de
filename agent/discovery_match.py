"""What a thing may be: clues held against the profiles' hints. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from contract.found import MAX_CANDIDATES, MAX_CLUES, SURE, Candidate, Clue, ClueKind, Found
from device_profiles.profile import DeviceProfile, Recognise

LONGEST_CLUE: Final = 200
_LONGEST_NAME: Final = 128
_CERTAIN: Final = SURE + 10
_GUESS: Final = 60
"""Shared by all that the clues fit equally well."""
_UNLIKELY: Final = 10
_HTTP: Final = frozenset({"moonraker", "octoprint", "prusalink", "smart_plug"})
_SERIAL: Final = frozenset({"firmata", "grbl", "line_protocol", "marlin", "micropython"})


@dataclass(frozen=True, slots=True)
class Hint:
    """What a profile says of how it is known. `baud` is the speed of its port."""

    slug: str
    bridge: str
    recognise: Recognise
    baud: int = 115_200


def hint_of(profile: DeviceProfile) -> Hint:
    baud = profile.options.get("baud")
    return Hint(profile.slug, profile.bridge, profile.recognise, baud if isinstance(baud, int) else 115_200)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of one thing: at the serial port `path`, or in the network at `host`.

    `ports` are the network ports at which what kind of clue was got, where they are not the usual ones.
    """

    key: str
    name: str = ""
    identity: str = ""
    clues: tuple[Clue, ...] = ()
    path: str = ""
    host: str = ""
    ports: Mapping[ClueKind, int] = field(default_factory=dict)


def clue(kind: ClueKind, text: str) -> Clue:
    """A clue as the wire takes it: one line of printable letters."""
    return Clue(kind, tidy(text, LONGEST_CLUE))


def tidy(text: str, longest: int = _LONGEST_NAME) -> str:
    """What a thing says, as one line of printable letters."""
    clean = text.encode("utf-8", "replace").decode()
    return " ".join("".join(each if each.isprintable() else " " for each in clean).split())[:longest]


def merged(seen: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """One piece of evidence for each key: what is known of a thing in several ways, put together."""
    found: dict[str, Evidence] = {}
    for each in seen:
        known = found.get(each.key)
        if known is None:
            found[each.key] = each
            continue
        found[each.key] = replace(
            known,
            name=known.name or each.name,
            identity=each.identity if known.identity == known.host and each.identity else known.identity,
            clues=tuple(dict.fromkeys((*known.clues, *each.clues))),
            ports={**each.ports, **known.ports},
        )
    return tuple(found.values())


def found(evidence: Evidence, hints: Sequence[Hint], since_ms: int) -> Found:
    """What the controller is told of a thing."""
    return Found(
        key=tidy(evidence.key, LONGEST_CLUE),
        name=tidy(evidence.name),
        identity=tidy(evidence.identity, LONGEST_CLUE),
        clues=evidence.clues[:MAX_CLUES],
        candidates=candidates(evidence, hints),
        since_ms=max(0, since_ms),
    )


def candidates(evidence: Evidence, hints: Sequence[Hint]) -> tuple[Candidate, ...]:
    """The profiles that fit, the likeliest first.

    One that a clue speaks against is none. The more kinds of clues fit and the more they say, the likelier. It is sure
    if it fits best alone, and by a hint that no other profile has.
    """
    fits = [fit for hint in hints if (fit := _fit(evidence, hint)) is not None]
    fits.sort(key=lambda fit: (-fit.score[0], -fit.score[1], fit.hint.slug))
    best = [fit for fit in fits if fit.score == fits[0].score]
    rest = fits[len(best) :]
    alone = len(best) == 1 and any(_only(text, kind, hints) for kind, text in best[0].matched.items())
    likely = _CERTAIN if alone else _GUESS // len(best) if best else 0
    told = [(fit, max(likely, _UNLIKELY + 1)) for fit in best] + [(fit, _UNLIKELY) for fit in rest]
    return tuple(
        Candidate(fit.hint.slug, fit.endpoint, confidence, tuple(fit.matched))
        for fit, confidence in told[:MAX_CANDIDATES]
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """A profile that fits, where, and the hints that matched."""

    hint: Hint
    endpoint: str
    matched: Mapping[ClueKind, str]

    @property
    def score(self) -> tuple[int, int]:
        return len(self.matched), sum(map(len, self.matched.values()))


def _fit(evidence: Evidence, hint: Hint) -> _Fit | None:
    endpoint = _endpoint(evidence, hint.bridge)
    if not endpoint:
        return None
    matched: dict[ClueKind, str] = {}
    for kind in dict.fromkeys(each.kind for each in evidence.clues):
        hinted = _HINTED[kind](hint.recognise) if kind in _HINTED else ()
        told = [each.text for each in evidence.clues if each.kind is kind]
        which = next((text for text in hinted if any(_FITS[kind](text, each) for each in told)), "")
        if which:
            matched[kind] = which
        elif hinted and kind in _SPEAKS_AGAINST:
            return None
    return _Fit(hint, endpoint, matched) if matched else None


def _endpoint(evidence: Evidence, bridge: str) -> str:
    """Where a device with that bridge would be; empty if it cannot be there."""
    if evidence.path:
        return evidence.path if bridge in _SERIAL else ""
    host = f"[{evidence.host}]" if ":" in evidence.host else evidence.host
    if not host or bridge in _SERIAL:
        return ""
    if bridge in _HTTP:
        port = evidence.ports.get(ClueKind.MDNS, 80)
        return f"http://{host}" if port == 80 else f"http://{host}:{port}"
    if bridge == "snmp":
        return f"udp://{host}:{evidence.ports.get(ClueKind.SNMP, 161)}"
    if bridge == "pjlink":
        return f"tcp://{host}:{evidence.ports.get(ClueKind.PJLINK, 4352)}"
    return ""


def _only(text: str, kind: ClueKind, hints: Sequence[Hint]) -> bool:
    return sum(text in _HINTED[kind](hint.recognise) for hint in hints) == 1


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


_HINTED: Final[Mapping[ClueKind, Callable[[Recognise], tuple[str, ...]]]] = {
    ClueKind.USB: lambda known: known.usb,
    ClueKind.BANNER: lambda known: _one(known.banner),
    ClueKind.PROBE: lambda known: _one(known.probe),
    ClueKind.PJLINK: lambda known: _one(known.pjlink),
    ClueKind.SNMP: lambda known: _one(known.snmp),
    ClueKind.MDNS: lambda known: _one(known.mdns),
    ClueKind.SSDP: lambda known: _one(known.ssdp),
}
"""What a profile says of each kind of clue."""


def _contains(hint: str, told: str) -> bool:
    return hint.casefold() in told.casefold()


def _begins(hint: str, told: str) -> bool:
    """OIDs, by their parts: 1.3.6.1.4.1.4 is not the beginning of 1.3.6.1.4.1.41112."""
    return f"{told}.".startswith(f"{hint}.")


def _same(hint: str, told: str) -> bool:
    return hint.casefold() == told.casefold()


_FITS: Final[Mapping[ClueKind, Callable[[str, str], bool]]] = {
    ClueKind.USB: _same,
    ClueKind.BANNER: _contains,
    ClueKind.PROBE: _contains,
    ClueKind.PJLINK: _contains,
    ClueKind.SNMP: _begins,
    ClueKind.MDNS: _same,
    ClueKind.SSDP: _same,
}
_SPEAKS_AGAINST: Final = frozenset({ClueKind.USB, ClueKind.PROBE, ClueKind.PJLINK, ClueKind.SNMP})
"""A banner may have been cut short, and a computer announces several services."""
