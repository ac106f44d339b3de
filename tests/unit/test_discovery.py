"""The agent looks for what nobody has adopted: plugged, pulled out, announced; held things are left alone."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.discovery import MOST_BYTES, WATCH_S, Discovery, Senses, at_serial_port, bounded, holds
from agent.discovery_announced import Announced
from agent.discovery_listen import Port
from agent.discovery_match import Evidence, hint_of
from agent.discovery_memory import MOST, Heard, read_heard, with_heard, write_heard
from agent.discovery_subnet import Pacer, Settings, Sweep, hosts, parse_subnet
from agent.discovery_usb import UsbPort
from contract.found import Clue, ClueKind, Found
from device_profiles.profile import load, slugs

HINTS = tuple(hint_of(load(slug)) for slug in slugs())
ENDER = UsbPort("/dev/ttyUSB0", "1a86:7523", "", "1-1.3")
PRUSA = UsbPort("/dev/ttyACM0", "2c99:0002", "CZPX2619", "1-1.2")
WITHIN_S = 20.0
TOLD_S = 3.0
"""Within this what is plugged or pulled out is told."""


class Silent(Port):
    """A port at which nobody says anything but what it is asked for."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    def set_baud(self, baud: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass

    def read(self, timeout_s: float) -> bytes:
        said, self.said = self.said, b""
        return said

    def close(self) -> None:
        pass


@dataclass
class World:
    """What the agent can see, and what it tells of it."""

    state: Path
    ports: list[UsbPort] = field(default_factory=list)
    announced: list[Announced] = field(default_factory=list)
    swept: list[Evidence] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    plugged: int = 0
    told: tuple[Found, ...] = ()
    news: threading.Condition = field(default_factory=threading.Condition)

    def discovery(self, held: Callable[[], list[str]] | None = None) -> Discovery:
        senses = Senses(lambda: self.ports, self.open, lambda _: self.announced, lambda _what, _over: self.swept)
        return Discovery(
            lambda: Settings(sweep=Sweep("10.20.3.0/24"), sweep_every_h=0, hear_every_h=0),
            self.state,
            held=held or (lambda: self.held),
            publish=self.publish,
            plugged=self.plug,
            tell=lambda _kind, _detail: None,
            clock=Clock(),
            hints=lambda: HINTS,
            senses=senses,
        )

    def open(self, device: str, _baud: int) -> Port:
        self.opened.append(device)
        return Silent(b"Grbl 1.1h ['$' for help]")

    def plug(self) -> None:
        self.plugged += 1

    def publish(self, found: tuple[Found, ...]) -> None:
        with self.news:
            self.told = found
            self.news.notify_all()

    def until(self, true: Callable[[tuple[Found, ...]], bool]) -> tuple[Found, ...]:
        with self.news:
            assert self.news.wait_for(lambda: true(self.told), WITHIN_S), self.told
            return self.told


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def running(world: World) -> Iterator[Discovery]:
    discovery = world.discovery()
    discovery.start()
    yield discovery
    discovery.stop()


def keys(found: Sequence[Found]) -> set[str]:
    return {each.key for each in found}


def test_thread_that_looked_before_a_plug_does_not_undo_what_a_later_one_told(tmp_path: Path) -> None:
    looked, go_on = threading.Event(), threading.Event()

    class Slow(World):
        """One thread stops after it has looked at the ports, before it tells of them."""

        def holders(self) -> list[str]:
            if threading.current_thread().name == "slow":
                looked.set()
                assert go_on.wait(WITHIN_S)
            return self.held

    world = Slow(tmp_path, ports=[ENDER])
    discovery = world.discovery(held=world.holders)
    slow = threading.Thread(target=discovery.refresh, name="slow")
    discovery.start()
    world.until(lambda found: len(found) == 1)
    slow.start()
    assert looked.wait(WITHIN_S)
    world.ports = [ENDER, PRUSA]
    threading.Timer(2 * WATCH_S, go_on.set).start()
    world.until(lambda found: len(found) == 2)
    go_on.set()
    slow.join(WITHIN_S)
    discovery.stop()
    assert len(discovery.found) == len(world.told) == 2


@pytest.mark.usefixtures("running")
def test_what_is_plugged_in_is_told_and_forgotten_when_it_is_pulled_out(world: World) -> None:
    began = time.monotonic()
    world.ports = [PRUSA]
    (told,) = world.until(lambda found: len(found) == 1)
    assert time.monotonic() - began < TOLD_S
    assert (told.identity, told.candidates[0].profile) == ("CZPX2619", "prusa/mk3s")
    began = time.monotonic()
    world.ports = []
    world.until(lambda found: not found)
    assert time.monotonic() - began < TOLD_S
    assert world.plugged == 2, "whoever hangs at a port hears of it"


def test_port_is_listened_at_once_in_its_life(world: World, running: Discovery) -> None:
    world.ports = [ENDER]
    told = world.until(lambda found: any(ClueKind.BANNER in [clue.kind for clue in each.clues] for each in found))
    assert told[0].candidates[0].profile == "sculpfun/s30"
    world.ports = []
    world.until(lambda found: not found)
    running.stop()
    again = world.discovery()
    again.start()
    world.ports = [ENDER]
    told = world.until(lambda found: len(found) == 1)
    again.stop()
    assert told[0].candidates[0].profile == "sculpfun/s30", "it remembers what it heard"
    assert world.opened == ["/dev/ttyUSB0"]


def test_port_that_a_device_holds_is_neither_opened_nor_told(world: World, running: Discovery) -> None:
    world.held = ["serial:///dev/ttyUSB0?baud=115200"]
    world.ports = [ENDER, PRUSA]
    assert len(world.until(lambda found: len(found) == 1)) == 1
    assert running.look(WITHIN_S)
    assert "/dev/ttyUSB0" not in world.opened
    world.held = []
    running.refresh()
    assert len(world.until(lambda found: len(found) == 2)) == 2, "free again"


def test_network_is_looked_into_when_somebody_asks(world: World, running: Discovery) -> None:
    world.announced = [Announced(ClueKind.MDNS, "_octoprint._tcp", "OctoPrint", "10.20.3.7", 5000)]
    world.swept = [Evidence("net/10.20.3.41", clues=(Clue(ClueKind.PJLINK, "PJLINK NEC"),), host="10.20.3.41")]
    assert world.told == ()
    assert running.look(WITHIN_S)
    assert keys(world.told) == {"net/10.20.3.7:5000", "net/10.20.3.41"}
    world.held = ["tcp://10.20.3.41", "http://10.20.3.7:5000"]
    running.refresh()
    assert world.told == ()


def test_service_of_a_computer_is_free_though_another_of_it_is_held() -> None:
    service = Evidence("net/h:7125", host="10.20.3.7", ports={ClueKind.MDNS: 7125})
    assert not holds(["http://10.20.3.7:5000"], service)
    assert holds(["http://10.20.3.7:7125"], service)


@pytest.mark.parametrize(("endpoint", "serial"), [
    ("/dev/ttyUSB0", True), ("COM3", True), ("serial:///dev/ttyUSB0", True), ("tcp://h:1", False), ("", False)
])  # fmt: skip
def test_device_is_known_to_hang_at_a_port(endpoint: str, serial: bool) -> None:
    assert at_serial_port(endpoint) is serial


def test_what_is_told_fits_into_an_inventory() -> None:
    clues = tuple(Clue(ClueKind.BANNER, "x" * 199 + str(i)) for i in range(9))
    many = [Found(f"k{i}", clues=clues, since_ms=i) for i in range(300)]
    kept = bounded(many)
    assert 0 < len(kept) < 100
    assert kept[0].key == "k0", "what was known first stays"
    assert sum(len(repr(each)) for each in kept) < 3 * MOST_BYTES


def test_memory_of_ports_survives_and_stays_small(tmp_path: Path) -> None:
    heard = Heard()
    for number in range(MOST + 5):
        heard = with_heard(heard, f"usb/{number}", (Clue(ClueKind.PROBE, "ok"),))
    write_heard(tmp_path, heard)
    assert read_heard(tmp_path) == heard
    assert len(heard.ports) == MOST
    (tmp_path / "discovery.json").write_text("{")
    assert read_heard(tmp_path) == Heard()


def test_sweep_asks_every_address_but_its_own() -> None:
    asked = hosts(parse_subnet("10.20.3.0/24"), {"10.20.3.5"})
    assert len(asked) == 253
    assert not {"10.20.3.0", "10.20.3.5", "10.20.3.255"} & set(asked)


@pytest.mark.parametrize("text", ["10.0.0.0/21", "8.8.8.0/24", "school", "fe80::/64"])
def test_subnet_that_is_too_large_or_not_ones_own_is_not_swept(text: str) -> None:
    with pytest.raises(ValueError, match=r"subnet|swept"):
        parse_subnet(text)


def test_pacer_lets_no_more_packets_out_than_it_says() -> None:
    now = 100.0
    sent: list[float] = []

    def pause(seconds: float) -> None:
        nonlocal now
        now += seconds

    pacer = Pacer(20, lambda: now, pause)
    for packet in range(200):
        now += 0.2 if packet == 50 else 0.0  # a hiccup is not made up for
        pacer.wait()
        sent.append(now)
    busiest = max(sum(start <= each < start + 1 for each in sent) for start in sent)
    assert busiest <= 21
