"""A machine with GRBL 1.1h, as the real firmware was seen to behave. Pure; time is passed in, in seconds.

What hosts get wrong is modelled: the receive buffer loses what does not fit, a line is answered when it leaves it,
`~` is dropped while the machine slows down, ALARM:1 and 2 leave it deaf until it is reset, WCO and Ov come in some
reports only, a reset while it moves is ALARM:3, a blank memory says error:7 before the banner.
Source: gnea/grbl: serial.c, protocol.c, report.c, gcode.c, and doc/markdown/interface.md.
"""

import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from hil.farends.grbl_modal import KNOWN, WORD, Modal, Mode
from hil.farends.grbl_planner import ROOM, Place, Planner

RX: Final = 128
LINE: Final = 80
BANNER: Final = "\r\nGrbl 1.1h ['$' for help]\r\n"
DEFAULTS: Final = {0: 10, 1: 25, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 10: 1, 11: 0.01, 12: 0.002, 13: 0, 20: 0, 21: 0, 22: 0}
LASER: Final = {30: 1000, 31: 0, 32: 1, 100: 80, 101: 80, 102: 250, 110: 6000, 111: 6000, 112: 600}
AXES: Final = {120: 800, 121: 800, 122: 200, 130: 400, 131: 400, 132: 50}
_READS_S: Final = 0.0005
"""How long a line takes to be read and planned."""
_RAPID: Final = 100.0


@dataclass(slots=True)
class Counts:
    """What a test holds a driver's claims against."""

    overruns: int = 0
    most_rx: int = 0
    lines: list[str] = field(default_factory=list)
    resets: int = 0


class Machine:
    """One controller with a machine. `baud` 0: bytes come at once."""

    def __init__(self, now: float, baud: int = 115_200, settings: dict[int, float] | None = None) -> None:
        self.settings: dict[int, float] = {**DEFAULTS, **LASER, **AXES, **(settings or {})}
        self.blank = False
        self.counts = Counts()
        self.door_open = False
        self.limit = False
        self._byte_s = 10 / baud if baud else 0.0
        self._wire: deque[tuple[float, int]] = deque()
        self._wire_s = now
        self._now = now
        self._said = bytearray()
        self.planner = Planner(self.settings[120])
        self._mode = Mode.IDLE
        self._boot()

    # the outside

    def receive(self, data: bytes, now: float) -> bytes:
        """Take bytes from the host, and give what is said until `now`."""
        for byte in data:
            self._wire_s = max(self._wire_s, self._now, now) + self._byte_s
            self._wire.append((self._wire_s, byte))
        return self.tick(now)

    def tick(self, now: float) -> bytes:
        """Let time pass. Nothing in the future happens."""
        while True:
            times = self._wire[0][0] if self._wire else math.inf, self.planner.next_s(), self._work_s()
            next_s = min(times)
            if next_s > now:
                break
            self._now = max(self._now, next_s)
            if times[0] == next_s:
                self._byte(self._wire.popleft()[1])
            elif times[1] == next_s:
                self.planner.advance(self._now)
                self._moved()
            else:
                self._work()
        self._now = max(self._now, now)
        said = bytes(self._said)
        self._said.clear()
        return said

    def power_on(self, now: float) -> None:
        """Off and on again: everything but the settings is forgotten."""
        self._now, self._mode = max(self._now, now), Mode.IDLE
        self._wire.clear()
        self.planner = Planner(self.settings[120])
        self._boot()

    def open_door(self, opened: bool) -> None:
        """The machine's own safety chain."""
        self.door_open = opened
        if opened and self._mode is not Mode.ALARM:
            self._door()

    def hit_limit(self) -> None:
        """A switch at the end of an axis."""
        self._alarm(1)

    @property
    def state(self) -> str:
        slows = self.planner.moving
        if self._mode is Mode.HOLD:
            return f"Hold:{int(slows)}"
        if self._mode is Mode.DOOR:
            return f"Door:{2 if slows else int(self.door_open)}"
        if self._mode is Mode.IDLE and self.planner.moving:
            return "Run"
        return str(self._mode)

    @property
    def laser(self) -> float:
        """What comes out, in units of S."""
        modal, on = self._modal, self._modal.spindle != "M5"
        if not on or self._mode is Mode.ALARM:
            return 0.0
        if self.settings[32] != 1:
            return modal.power
        if self.planner.moving:
            return self.planner.blocks[0].power if self._mode not in (Mode.HOLD, Mode.DOOR) else 0.0
        standing = modal.spindle == "M3" and self._mode is Mode.IDLE and modal.motion == "G1"
        return modal.power if standing else 0.0

    # bytes

    def _byte(self, byte: int) -> None:
        match byte:
            case 0x18:
                self._reset()
            case _ if self._deaf:
                return
            case 0x3F:
                self._report()
            case 0x21:
                self._hold()
            case 0x7E:
                self._resume()
            case 0x84:
                self._door()
            case 0x85:
                if self._mode is Mode.JOG:
                    self._hold()
            case _ if byte < 0x80:
                self._keep(byte)

    def _keep(self, byte: int) -> None:
        if len(self._rx) >= RX:
            self.counts.overruns += 1
            return
        self._rx.append(byte)
        self.counts.most_rx = max(self.counts.most_rx, len(self._rx))

    def _hold(self) -> None:
        if self._mode is Mode.JOG:
            self.planner.hold(self._now)
        elif self._mode in (Mode.IDLE, Mode.RUN):
            self._mode = Mode.HOLD
            self.planner.hold(self._now)
        self._moved()

    def _door(self) -> None:
        if self._mode is Mode.ALARM:
            return
        self._mode = Mode.DOOR
        self.planner.hold(self._now)

    def _resume(self) -> None:
        standing = not self.planner.moving
        if standing and (self._mode is Mode.HOLD or (self._mode is Mode.DOOR and not self.door_open)):
            self._mode = Mode.IDLE
            self.planner.go_on(self._now)

    def _reset(self) -> None:
        self.counts.resets += 1
        moving = self.planner.moving or self._mode is Mode.HOME
        if moving and not self._deaf:
            self._say("ALARM:6" if self._mode is Mode.HOME else "ALARM:3")
        locked = moving or self._mode in (Mode.ALARM, Mode.SLEEP)
        self._mode = Mode.ALARM if locked else Mode.IDLE
        self.planner.clear(self._now)
        self._boot()

    def _boot(self) -> None:
        self._rx: deque[int] = deque()
        self._wait_s: float | None = None
        self._homing = False
        self._syncs = self._deaf = False
        self._blocked = ""
        self._modal = Modal()
        self._reports = 0
        self._free_s = self._now
        if self.blank:
            self.blank = False
            self.settings = {**DEFAULTS, **LASER, **AXES, 32: 0}
            self._say("error:7")
            self._dump()
        self._said += BANNER.encode()
        if self._mode is Mode.ALARM or (self.settings[22] and self.counts.resets == 0):
            self._mode = Mode.ALARM
            self._say("[MSG:'$H'|'$X' to unlock]")
        elif self.door_open:
            self._door()

    def _say(self, line: str) -> None:
        self._said += f"{line}\r\n".encode()

    def _report(self) -> None:
        place, speed = self.planner.now(self._now)
        self._reports += 1
        fields = [self.state, f"MPos:{_places(place)}", f"FS:{speed * 60:.0f},{self.laser:.0f}"]
        pins = ("P" if self.limit else "") + ("D" if self.door_open else "")
        if pins:
            fields.append(f"Pn:{pins}")
        every = 10 if self._mode in (Mode.RUN, Mode.HOLD, Mode.JOG) else 30
        if self._reports % every == 1:
            fields.append(f"WCO:{_places(self._modal.offset)}")
        elif self._reports % every == 2:
            fields.append("Ov:100,100,100")
        self._say(f"<{'|'.join(fields)}>")

    # lines

    def _work_s(self) -> float:
        """When the main loop can do something: infinite while it is held, full, or has nothing to read."""
        if self._deaf or self._mode in (Mode.HOLD, Mode.DOOR, Mode.SLEEP):
            return math.inf
        if self._wait_s is not None:
            return max(self._wait_s, self._now)
        if self._syncs:
            return math.inf if self.planner.blocks else self._now
        if self._blocked:
            return math.inf if self.planner.full else self._now
        return max(self._free_s, self._now) if 10 in self._rx or 13 in self._rx else math.inf

    def _work(self) -> None:
        if self._wait_s is not None:
            self._wait_s = None
            if self._homing:
                self._homing, self._mode = False, Mode.IDLE
                self.planner.place = self.planner.end = (0.0, 0.0, 0.0)
            self._say("ok")
        elif self._syncs:
            self._syncs, self._wait_s = False, self._now + self._dwell_s
        elif self._blocked:
            line, self._blocked = self._blocked, ""
            self._plan(line)
        else:
            self._read()

    def _read(self) -> None:
        taken = bytearray()
        while (byte := self._rx.popleft()) not in (10, 13):
            taken.append(byte)
        self._free_s = self._now + _READS_S
        text = re.sub(r"\(.*?\)|;.*|\s", "", taken.decode("ascii", "replace")).upper()
        if len(text) >= LINE:
            self._say("error:11")
        elif not text:
            self._say("ok")
        elif text.startswith("$"):
            self._command(text)
        elif self._mode in (Mode.ALARM, Mode.JOG):
            self._say("error:9")
        elif self.planner.full:
            self._blocked = text
        else:
            self._plan(text)

    def _command(self, text: str) -> None:
        at_rest = self._mode is Mode.ALARM or (self._mode is Mode.IDLE and not self.planner.moving)
        if text.startswith("$J="):
            self._jog(text[3:])
        elif text not in ("$$", "$I", "$G", "$X", "$H", "$SLP", "$") and not re.fullmatch(r"\$\d+=[\d.]+", text):
            self._say("error:3")
        elif not at_rest:
            self._say("error:8")
        elif text == "$H":
            self._home()
        elif text == "$SLP":
            self._mode = Mode.SLEEP
            self._say("ok")
        else:
            self._answer(text)
            self._say("ok")

    def _answer(self, text: str) -> None:
        if text == "$$":
            self._dump()
        elif text == "$I":
            self._say("[VER:1.1h.20190830:]")
            self._say("[OPT:V,15,128]")
        elif text == "$X" and self._mode is Mode.ALARM:
            self._mode = Mode.IDLE
            self._say("[MSG:Caution: Unlocked]")
        elif "=" in text:
            number, _, value = text[1:].partition("=")
            self.settings[int(number)] = float(value)

    def _dump(self) -> None:
        for number, value in self.settings.items():
            self._say(f"${number}={value:g}")

    def _home(self) -> None:
        if not self.settings[22]:
            self._say("error:5")
            return
        self._mode, self._homing, self._wait_s = Mode.HOME, True, self._now + 0.4

    def _jog(self, text: str) -> None:
        words = dict(WORD.findall(text))
        if self._mode not in (Mode.IDLE, Mode.JOG) or (self._mode is Mode.IDLE and self.planner.moving):
            self._say("error:9" if self._mode is Mode.ALARM else "error:8")
        elif "F" not in words:
            self._say("error:22")
        else:
            self._mode = Mode.JOG
            to = self._modal.target(words, self.planner.end, relative="G91" in text)
            self.planner.add(to, float(words["F"]) / 60, 0.0, self._now, jog=True)
            self._say("ok")
            self._moved()

    def _plan(self, text: str) -> None:
        pairs = WORD.findall(text)
        if "".join(a + b for a, b in pairs) != text:
            self._say("error:2" if re.fullmatch(r"(?:[A-Z][\d.+-]*)+", text) else "error:1")
            return
        codes = [f"{letter}{float(value):g}" for letter, value in pairs if letter in "GM"]
        if unknown := [code for code in codes if code not in KNOWN]:
            self._say("error:20" if unknown else "ok")
            return
        self.counts.lines.append(text)
        words = {letter: value for letter, value in pairs if letter not in "GM"}
        self._modal.take(codes, words, self.settings[30])
        if "G4" in codes:
            self._dwell_s, self._syncs = float(words.get("P", 0.0)), True
        elif "G92" in codes:
            self._say("ok")
        elif words.keys() & set("XYZ"):
            self._go(words)
        else:
            self._say("ok")

    _dwell_s = 0.0

    def _go(self, words: dict[str, str]) -> None:
        modal = self._modal
        if modal.motion == "G1" and modal.feed <= 0:
            self._say("error:22")
            return
        to = modal.target(words, self.planner.end, relative=modal.relative)
        sizes = (self.settings[130], self.settings[131], self.settings[132])
        if self.settings[20] and not all(-size <= at <= size for at, size in zip(to, sizes, strict=True)):
            self._alarm(2)
            return
        speed = min(_RAPID if modal.motion == "G0" else modal.feed / 60, _RAPID)
        power = modal.power if modal.motion == "G1" and modal.spindle != "M5" else 0.0
        self.planner.add(to, speed, power, self._now)
        self._say("ok")

    def _moved(self) -> None:
        """A jog that has come to a stand is over, also one that was held."""
        if self._mode is Mode.JOG and not self.planner.moving:
            self.planner.clear(self._now)
            self._mode = Mode.IDLE

    def _alarm(self, code: int) -> None:
        self.planner.clear(self._now)
        self._mode, self._deaf = Mode.ALARM, True
        self._say(f"ALARM:{code}")
        self._say("[MSG:Reset to continue]")


def ideal_s(lines: list[str], settings: dict[int, float] | None = None) -> float:
    """How long the machine's own planner takes for lines that are all there whenever it can take one."""
    machine = Machine(0.0, 0, settings)
    queue, now = deque(lines), 0.0
    while queue or machine.planner.blocks:
        while queue and not machine.planner.full and not machine._blocked:
            machine._plan(queue.popleft().replace(" ", ""))
        now = machine.planner.next_s()
        if now == math.inf:
            continue
        machine.tick(now)
    return machine.planner.moving_s


def _places(place: Place) -> str:
    return ",".join(f"{at:.3f}" for at in place)


__all__ = ["BANNER", "ROOM", "RX", "Machine", "Mode", "ideal_s"]
