"""Three invented schools with what stands in their rooms. Pure. None of the names is a real school's or person's."""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.demo.farends import faults
from controller.demo.finds import FINDS
from controller.fleet.enrolment import Place
from controller.simulation import SimulatedAgent, SimulatedDevice

COMPUTER = "demo/classroom-pc"
PROJECTOR = "demo/projector"
BOARD = "demo/interactive-board"
PRINTER = "demo/printer-3d"
LASER = "demo/laser-cutter"
AIR = "demo/air-sensor"
ROBOT = "demo/robot-kit"
ARDUINO = "demo/arduino-kit"
ACCESS_POINT = "demo/access-point"
_AWAY_EVERY_S, _AWAY_S = 300.0, 90.0


@dataclass(frozen=True, slots=True)
class DemoRoom:
    """One room with one agent, which has the room's slug as its name. `flaky`: it loses contact now and then."""

    slug: str
    name: str
    devices: tuple[SimulatedDevice, ...]
    flaky: bool = False


@dataclass(frozen=True, slots=True)
class DemoSchool:
    slug: str
    name: str
    short: str
    rooms: tuple[DemoRoom, ...]

    @property
    def devices(self) -> int:
        return sum(len(room.devices) for room in self.rooms)


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody who may sign in. Without a school: all of the cluster. `certificates` are for machines that need one."""

    login: str
    name: str
    role: str
    school: str | None
    certificates: tuple[str, ...] = ()


def _row(
    code: str, words: str, profile: str, count: int, troubles: dict[int, str] | None = None
) -> Iterator[SimulatedDevice]:
    """`count` alike devices: PC-01, PC-02 ..."""
    for number in range(1, count + 1):
        label = f"{code.upper()}-{number:02d}"
        yield SimulatedDevice(f"{code}-{number:02d}", f"{label} {words}", profile, (troubles or {}).get(number, ""))


def _room(slug: str, name: str, *rows: Iterator[SimulatedDevice], flaky: bool = False) -> DemoRoom:
    return DemoRoom(slug, name, tuple(device for row in rows for device in row), flaky)


def _computers(
    slug: str, name: str, count: int, troubles: dict[int, str] | None = None, *, flaky: bool = False
) -> DemoRoom:
    return _room(
        slug,
        name,
        _row("pc", "Máy tính", COMPUTER, count, troubles),
        _row("pj", "Máy chiếu", PROJECTOR, 1),
        _row("ap", "Bộ phát Wi-Fi", ACCESS_POINT, 1),
        flaky=flaky,
    )


HILL = DemoSchool(
    "thcs-doi-gio",
    "THCS Đồi Gió",
    "Đồi Gió",
    (
        _room(
            "fablab",
            "FabLab",
            _row("3d", "Máy in 3D", PRINTER, 5, {4: "warning"}),
            _row("lz", "Máy cắt laser", LASER, 1, {1: "warning"}),
            _row("aq", "Cảm biến không khí", AIR, 1),
            _row("pc", "Máy tính", COMPUTER, 2),
        ),
        _room(
            "p201-stem",
            "P.201 STEM",
            _row("pj", "Máy chiếu", PROJECTOR, 1, {1: "warning"}),
            _row("bd", "Bảng tương tác", BOARD, 1, {1: "fault"}),
            _row("kit", "Bộ kit Arduino", ARDUINO, 6, {5: "lost"}),
            _row("aq", "Cảm biến không khí", AIR, 1),
        ),
        _computers("p305-tin-hoc", "P.305 Tin học", 16, {11: "lost"}),
    ),
)
WHARF = DemoSchool(
    "thpt-ben-trang",
    "THPT Bến Trăng",
    "Bến Trăng",
    (
        _room(
            "fablab",
            "FabLab",
            _row("3d", "Máy in 3D", PRINTER, 4, {2: "warning"}),
            _row("lz", "Máy cắt laser", LASER, 1, {1: "fault"}),
            _row("aq", "Cảm biến không khí", AIR, 1, {1: "warning"}),
        ),
        _room(
            "p402-robot",
            "P.402 Robot",
            _row("rb", "Bộ kit robot", ROBOT, 8),
            _row("bd", "Bảng tương tác", BOARD, 1),
            flaky=True,
        ),
        _computers("p210-tin-hoc", "P.210 Tin học", 14),
    ),
)
BROOK = DemoSchool(
    "th-suoi-may",
    "Tiểu học Suối Mây",
    "Suối Mây",
    (
        _room(
            "p102-stem",
            "P.102 STEM",
            _row("3d", "Máy in 3D", PRINTER, 2),
            _row("rb", "Bộ kit robot", ROBOT, 6),
            _row("pj", "Máy chiếu", PROJECTOR, 1),
            _row("aq", "Cảm biến không khí", AIR, 1),
        ),
        _computers("p203-tin-hoc", "P.203 Tin học", 12, {7: "warning"}),
        _room(
            "p104",
            "P.104",
            _row("pj", "Máy chiếu", PROJECTOR, 1),
            _row("bd", "Bảng tương tác", BOARD, 1),
        ),
    ),
)
SCHOOLS = (HILL, WHARF, BROOK)

THIS_MACHINE_SCHOOL = HILL
THIS_MACHINE_ROOM = HILL.rooms[2]
THIS_MACHINE_AGENT = "this-machine"
THIS_MACHINE_NAME = "Máy này"
LAB_ROOM = HILL.rooms[0]
"""Where the machines stand that are far ends of their own; this machine's agent looks after them."""
LAB_NAMES = {faults.PRINTER: "3D-06 Máy in 3D", faults.PROJECTOR: "PJ-02 Máy chiếu"}


def agents() -> Iterator[SimulatedAgent]:
    """The simulated agents: one a room."""
    for school in SCHOOLS:
        for room in school.rooms:
            place = Place(school.slug, room.slug, school.name, school.short, room.name)
            away = (_AWAY_EVERY_S, _AWAY_S) if room.flaky else (0.0, 0.0)
            sees = tuple(each.thing for each in FINDS if (each.school, each.room) == (school.slug, room.slug))
            yield SimulatedAgent(place, room.slug, room.devices, *away, sees=sees)


TECHNICIAN = DemoPerson("bao", "Trần Quốc Bảo", "technician", None)
PEOPLE = (
    TECHNICIAN,
    DemoPerson("lan", "Đỗ Ngọc Lan", "coordinator", None),
    DemoPerson("yen", "Đỗ Hải Yến", "administrator", None),
    DemoPerson("ha", "Lê Minh Hà", "teacher", HILL.slug, ("laser",)),
    DemoPerson("nam", "Phạm Hoài Nam", "teacher", WHARF.slug),
    DemoPerson("mai", "Vũ Thanh Mai", "teacher", BROOK.slug),
)
