"""Which far ends the hardware tests talk to: simulators, or the machines of a lab."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest

from device_profiles.profile import DeviceProfile
from firmware_bridges import bridge_for
from firmware_bridges.base import Bridge

SIMULATED = "sim:"
RISKS = frozenset(("motion", "heat", "laser"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where one device is, what its bridge is told, and what tests may do to it."""

    endpoint: str
    options: Mapping[str, Any] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    profile: str = ""

    @property
    def physical(self) -> bool:
        return not self.endpoint.startswith(SIMULATED)

    def permits(self, marks: frozenset[str], *, armed: bool) -> bool:
        """Whether a test with these marks may run here."""
        if not self.physical:
            return "physical_only" not in marks
        return "sim_only" not in marks and all(armed and risk in self.allow for risk in marks & RISKS)


Lab = Mapping[str, Place]


def load(path: Path | None) -> Lab:
    """Read a lab file; without one nothing is listed, and so all is simulated. Raises ValueError for a wrong one."""
    table = tomllib.loads(path.read_text("utf-8")) if path else {}
    return {name: _place(name, dict(entry)) for name, entry in table.items()}


def _place(name: str, entry: dict[str, Any]) -> Place:
    place = Place(
        endpoint=str(entry.pop("endpoint", SIMULATED)),
        options=dict(entry.pop("options", {})),
        allow=tuple(entry.pop("allow", ())),
        profile=str(entry.pop("profile", "")),
    )
    if unknown := (set(place.allow) - RISKS) | entry.keys():
        raise ValueError(f"{name}: nobody knows {min(unknown)!r}")
    return place


class Faults(Protocol):
    """What can be done to a simulated far end that a real one would take amiss."""

    def tell(self, order: str) -> None:
        """Give it one of its orders, and return when it has followed."""

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""

    def restart(self) -> None:
        """Start it anew at the same endpoint."""


class Truth(Protocol):
    """What a simulated far end itself knows: a bridge's claims are held against it."""

    def state(self) -> Mapping[str, float]: ...

    def done(self) -> list[str]:
        """The moves that were carried out, in order."""


@dataclass(frozen=True, slots=True)
class FarEnd:
    """What a test talks to: where it is, what its bridge is told on top of its profile, and that profile.

    `faults` and `truth` are None for a real machine.
    """

    endpoint: str
    profile: DeviceProfile
    options: Mapping[str, Any] = field(default_factory=dict)
    faults: Faults | None = None
    truth: Truth | None = None

    def bridge(self) -> Bridge:
        """A bridge to it, not opened."""
        return bridge_for(self.profile.bridge, self.endpoint, {**self.profile.options, **self.options})


def missing(what: str, error: Exception) -> NoReturn:
    """A far end cannot be had. With HIL_REQUIRE=1, as in continuous integration, that is a failure."""
    text = f"{what}: {str(error)[:300]}"
    if os.environ.get("HIL_REQUIRE") == "1":
        pytest.fail(text)
    pytest.skip(text)
