"""When the demo's schools teach and what can be booked there. Pure. All of it is invented.

The school year is the one that has the given day, so that the demo shows a full calendar whenever it is started.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from typing import Final

from controller.demo.cluster import BROOK, HILL, LAB_NAMES, WHARF, DemoSchool
from controller.demo.farends.faults import PRINTER
from controller.scheduling.school_time import Half, Holiday, Period, Term, Week

PRINTERS: Final = "printer-3d"
LASERS: Final = "laser"
ROOMS: Final = "room"
LASER_PAPER: Final = "laser"
"""The certificate that a laser cutter needs."""
_WEEKDAYS: Final = frozenset(range(6))


@dataclass(frozen=True, slots=True)
class DemoThing:
    """Something to book in a room, by the names that `tables.Resource` has. A machine is found by its name."""

    school: str
    room: str
    kind: str
    name: str
    code: str
    class_name: str = ""
    capacity: int = 1
    clean_up_min: int = 0
    watts: int = 0
    circuit: str = ""
    hazard: int = 0
    certificate: str = ""
    shared: bool = True
    approval: bool = False


def school_year(today: date) -> int:
    """The year in which the school year of a day began."""
    return today.year if today.month >= 9 else today.year - 1


def terms(begun: int) -> tuple[Term, ...]:
    """Two terms and the clubs of the summer: there is a term on every day."""
    return (
        Term("Học kỳ 1", date(begun, 9, 1), date(begun + 1, 1, 15)),
        Term("Học kỳ 2", date(begun + 1, 1, 16), date(begun + 1, 5, 31), Week.B),
        Term("CLB hè", date(begun + 1, 6, 1), date(begun + 1, 8, 31)),
    )


def holidays(begun: int) -> tuple[Holiday, ...]:
    """Those whose dates are the same every year."""
    return (
        Holiday("Quốc khánh", date(begun, 9, 2), date(begun, 9, 2)),
        Holiday("Tết Dương lịch", date(begun + 1, 1, 1), date(begun + 1, 1, 1)),
        Holiday("Giải phóng miền Nam và Quốc tế Lao động", date(begun + 1, 4, 30), date(begun + 1, 5, 1)),
    )


def weekdays() -> frozenset[int]:
    return _WEEKDAYS


def periods(school: DemoSchool) -> tuple[Period, ...]:
    """Forty-five minutes, thirty-five in the primary school."""
    if school is BROOK:
        rung = ("07:30 08:10 09:05 09:45", Half.MORNING), ("14:00 14:40 15:30", Half.AFTERNOON)
    else:
        rung = ("07:15 08:05 09:15 10:05 10:55", Half.MORNING), ("13:15 14:05 15:15 16:05", Half.AFTERNOON)
    minutes = 35 if school is BROOK else 45
    return tuple(period for begins, half in rung for period in _ring(begins, half, minutes))


def _ring(begins: str, half: Half, minutes: int) -> Iterator[Period]:
    for number, text in enumerate(begins.split(), 1):
        at = time.fromisoformat(text)
        end = at.hour * 60 + at.minute + minutes
        yield Period(at, time(end // 60, end % 60), half, number)


def _lab(school: DemoSchool, printers: int, letter: str) -> Iterator[DemoThing]:
    """The shared FabLab of a school: the room, its machines, what counts by number, and the wires."""
    slug, wires = school.slug, f"Mạch điện FabLab {school.short}"
    yield DemoThing(slug, "fablab", "circuit", wires, f"{letter}M2222", capacity=3_500)
    yield DemoThing(slug, "fablab", "unit", f"Phòng FabLab {school.short}", f"{letter}P2222", ROOMS)
    for number in range(1, printers + 1):
        yield _printer(slug, f"3D-{number:02d} Máy in 3D", f"{letter}D{number + 1}M4Q", wires)
    yield DemoThing(
        slug,
        "fablab",
        "unit",
        "LZ-01 Máy cắt laser",
        f"{letter}L7W2K",
        LASERS,
        clean_up_min=5,
        watts=1_500,
        circuit=wires,
        hazard=3,
        certificate=LASER_PAPER,
        approval=True,
    )
    yield DemoThing(slug, "fablab", "pool", "Bộ kit Arduino", f"{letter}A9X3R", capacity=30)


def _printer(school: str, name: str, code: str, wires: str) -> DemoThing:
    return DemoThing(school, "fablab", "unit", name, code, PRINTERS, clean_up_min=5, watts=350, circuit=wires, hazard=1)


def things() -> tuple[DemoThing, ...]:
    real = _printer(HILL.slug, LAB_NAMES[PRINTER], "K7M4Q2", f"Mạch điện FabLab {HILL.short}")
    small = DemoThing(BROOK.slug, "p102-stem", "pool", "Bộ kit robot", "SR8T5N", capacity=12, shared=False)
    return (*_lab(HILL, 5, "H"), real, *_lab(WHARF, 4, "W"), small)


@dataclass(frozen=True, slots=True)
class DemoBooking:
    """`day` counts from the Monday of the week that is shown first; periods of the `half`, both included."""

    login: str
    things: tuple[str, ...]
    day: int
    half: Half
    first: int
    last: int
    title: str
    purpose: str = ""
    head_count: int = 0


BOOKINGS: Final = (
    DemoBooking("ha", ("H:3D-01 Máy in 3D",), 0, Half.MORNING, 3, 4, "8A1", "STEM: cầu giàn", 32),
    DemoBooking("ha", ("H:3D-02 Máy in 3D",), 1, Half.MORNING, 4, 5, "8A1", "STEM: cầu giàn", 32),
    DemoBooking("nam", ("H:3D-01 Máy in 3D",), 1, Half.MORNING, 1, 2, "10A2", "CLB sáng tạo", 20),
    DemoBooking("nam", ("W:3D-01 Máy in 3D", "W:Phòng FabLab Bến Trăng"), 2, Half.AFTERNOON, 1, 2, "10A2", "", 24),
    DemoBooking("ha", ("H:Bộ kit Arduino",), 3, Half.AFTERNOON, 1, 2, "CLB STEM", "Cảm biến mưa", 28),
    DemoBooking("mai", ("H:3D-03 Máy in 3D",), 4, Half.MORNING, 1, 2, "4A", "Hình khối", 30),
)
"""`H:` is the FabLab of the first school, `W:` that of the second."""
SCHOOL_OF: Final = {"H": HILL.slug, "W": WHARF.slug}
