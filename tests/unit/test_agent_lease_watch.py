"""What the agent does and tells when a lease ends in mid-use, and when a machine is used without one."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.lease_watch import FILE, LOCK, LeaseWatch, Notice, Use, judge, needs_lease
from agent.roster import Roster, profile_entry
from contract.messages import BridgeState, DeviceEntry
from contract.model import Command, Event, Lease
from device_profiles.profile import load, slugs
from tests.unit.workshop import NOW_MS, Workshop, book

HOUR_MS = 3_600_000
AN = Lease("printer", "an", NOW_MS - HOUR_MS, NOW_MS + HOUR_MS, "b-1")
BINH = Lease("printer", "bình", AN.until_ms, AN.until_ms + HOUR_MS, "b-2")
AN_AGAIN = replace(BINH, holder="an", booking="b-3")
STRETCHED = replace(AN, holder="lớp 7A", until_ms=BINH.until_ms)
IDLE, ENDED, WITHOUT = Use(), Notice.LEASE_ENDED, Notice.WITHOUT_LEASE


def used(*leases: Lease) -> Use:
    return Use(in_use=True, leases=leases)


def free(*leases: Lease) -> Use:
    return Use(in_use=False, leases=leases)


@pytest.mark.parametrize(
    ("before", "now", "notice"),
    [
        (free(AN), free(), None),
        (used(AN), free(), None),
        (used(), free(), None),
        (free(), used(AN), None),
        (free(AN), used(AN), None),
        (free(AN), used(BINH), None),
        (used(AN), used(AN), None),
        (used(AN), used(), ENDED),
        (used(AN), used(BINH), ENDED),
        (used(AN), used(AN_AGAIN), None),
        (used(AN), used(STRETCHED), None),
        (used(AN, BINH), used(BINH), None),
        (free(AN), used(), ENDED),
        (free(), used(), WITHOUT),
        (used(), used(), None),
        (used(), used(AN), None),
    ],
)
def test_two_looks_at_a_machine_say_what_is_new(before: Use, now: Use, notice: Notice | None) -> None:
    assert judge(before, now) is notice


def test_use_matters_where_an_action_is_guarded_or_the_power_is_given() -> None:
    wanting = ("demo/printer-3d", "demo/laser-cutter", "arduino/machine-permit", "prusa/mk3s")
    assert all(needs_lease(load(slug)) for slug in wanting)
    assert not any(needs_lease(load(slug)) for slug in ("demo/projector", "demo/classroom-pc", "demo/air-sensor"))


@pytest.mark.parametrize("slug", tuple(slugs()))
def test_profile_has_the_action_that_ends_a_use_of_its_machine(slug: str) -> None:
    profile = load(slug)
    ending = {profile.booking.after_lease} - {"finish"} | ({LOCK} & profile.actions.keys())
    assert all(name in profile.actions and not profile.actions[name].args for name in ending)


class Watched:
    """A machine that says whether it is in use, in a life of its agent."""

    def __init__(
        self, folder: Path, after_lease: str = "finish", now_ms: int = NOW_MS, slug: str = "demo/printer-3d"
    ) -> None:
        profile = load(slug)
        self.in_use = profile.in_use
        profile = replace(profile, booking=replace(profile.booking, after_lease=after_lease))
        self.now_ms = now_ms
        self.trusted = True
        self.leases: Iterable[Lease] = ()
        self.told: list[Event] = []
        self.begun: list[Command] = []
        self.roster = Roster()
        self.roster.declare(
            DeviceEntry("printer", "Printer", profile.digest, BridgeState.OPEN, NOW_MS), profile_entry(profile)
        )
        self.watch = LeaseWatch(
            folder,
            {"printer": profile},
            leases=lambda: self.leases,
            roster=self.roster,
            clock=Clock(lambda: self.now_ms, lambda: self.now_ms, "boot", lambda: self.trusted),
            begin=self.begun.append,
            tell=self.told.append,
        )

    def says(self, *, printing: bool | None) -> None:
        self.watch.answered("printer", {self.in_use: printing})

    def looks_at(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.watch.look()

    def events(self) -> list[tuple[str, str]]:
        return [(each.kind, each.detail) for each in self.told]


@pytest.mark.parametrize(("after", "doing"), [("finish", "finishing"), ("pause", "pausing"), ("stop", "stopping")])
def test_end_of_a_lease_in_mid_use_is_told_and_acted_upon_once_at_its_edge(
    tmp_path: Path, after: str, doing: str
) -> None:
    watched = Watched(tmp_path, after)
    watched.leases = [AN]
    watched.says(printing=True)
    assert watched.watch.next_end_ms() == AN.until_ms
    watched.looks_at(AN.until_ms - 1)
    assert (watched.told, watched.begun) == ([], [])
    watched.looks_at(AN.until_ms)
    watched.looks_at(AN.until_ms + HOUR_MS)
    watched.says(printing=True)
    assert watched.events() == [("lease-ended", f"{doing} b-1")]
    assert [each.action for each in watched.begun] == ([] if after == "finish" else [after])
    assert all(each.id.startswith("own-") and each.expires_ms > AN.until_ms for each in watched.begun)
    assert watched.watch.next_end_ms() is None


def test_permit_is_taken_back_once_the_machine_is_neither_leased_nor_in_use(tmp_path: Path) -> None:
    permit = Watched(tmp_path, slug="arduino/machine-permit")
    permit.leases = [AN]
    permit.says(printing=False)
    permit.says(printing=True)
    permit.looks_at(AN.until_ms)
    assert (permit.events(), permit.begun) == ([("lease-ended", "finishing b-1")], [])
    permit.says(printing=False)
    permit.says(printing=False)
    assert [each.action for each in permit.begun] == ["lock"]
    permit.leases = [BINH]
    permit.says(printing=False)
    permit.leases = []
    permit.watch.look()
    assert [each.action for each in permit.begun] == ["lock", "lock"]

    again = Watched(tmp_path, slug="arduino/machine-permit")
    again.says(printing=False)
    assert [each.action for each in again.begun] == ["lock"], "the lease may have ended while the agent was down"


def test_lease_that_is_taken_back_ends(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "stop")
    watched.leases = [AN]
    watched.says(printing=True)
    watched.leases = []
    watched.watch.look()
    assert watched.events() == [("lease-ended", "stopping b-1")]


def test_machine_that_is_idle_or_unknown_at_the_end_of_its_lease_is_left_alone(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "stop")
    watched.leases = [AN]
    watched.says(printing=None)
    watched.says(printing=True)
    watched.says(printing=False)
    watched.looks_at(AN.until_ms)
    assert (watched.told, watched.begun) == ([], [])


def test_machine_out_of_contact_is_judged_when_it_is_back(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "pause")
    watched.leases = [AN]
    watched.says(printing=True)
    watched.roster.report("printer", BridgeState.LOST, NOW_MS, "no contact")
    watched.looks_at(AN.until_ms)
    assert (watched.told, watched.begun) == ([], [])
    watched.says(printing=True)
    assert (watched.events(), len(watched.begun)) == ([("lease-ended", "pausing b-1")], 1)


def test_use_without_a_lease_is_told_once_a_use(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for printing in (True, True, None, True, False, True):
        watched.says(printing=printing)
    assert watched.events() == [("use-without-lease", "")] * 2
    watched.trusted = False
    watched.says(printing=False)
    watched.says(printing=True)
    assert watched.events()[2:] == [("use-without-lease", "clock-uncertain")]


def test_use_goes_on_over_a_restart_of_the_agent(tmp_path: Path) -> None:
    first = Watched(tmp_path, "pause")
    first.leases = [AN]
    first.says(printing=True)

    second = Watched(tmp_path, "pause", AN.until_ms + HOUR_MS)
    second.watch.look()
    assert second.told == [], "nobody has asked the machine yet"
    second.says(printing=True)
    assert second.events() == [("lease-ended", "pausing b-1")]

    third = Watched(tmp_path, "pause", second.now_ms)
    third.says(printing=True)
    assert third.told == []
    third.says(printing=False)
    (tmp_path / FILE).write_bytes(b"{")
    fourth = Watched(tmp_path, "pause", second.now_ms)
    fourth.says(printing=True)
    assert fourth.events() == [("use-without-lease", "")]


def test_own_command_of_the_agent_needs_no_lease_is_journalled_and_told_as_an_event(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    workshop.leases.take(book(1))
    own = Command("own-1", "printer", "start", by="lease-end", expires_ms=NOW_MS + 30_000)
    workshop.commands.begin_own(own)
    assert workshop.work() == []
    assert workshop.executed == ["start"]
    workshop.commands.begin_own(replace(own, id="own-2", expires_ms=NOW_MS))
    workshop.commands.begin_own(replace(own, id="own-3", action="pause"))
    workshop.work()
    assert workshop.executed == ["start"]
    assert workshop.events() == [
        "own-command lease-end: start: done",
        "own-command lease-end: start: expired expired",
        "own-command lease-end: pause: refused no-such-action",
    ]
    known = workshop.journal.find("own-1")
    assert known
    assert known.told
