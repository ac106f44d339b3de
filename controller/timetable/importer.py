"""Imports tables: what one would change, told beforehand; and having it so.

What is told of things and years is found out by doing it, in a transaction that is taken back. Applying does the same
again, and commits if it came to what was told. Of lessons it is worked out beforehand what they would be booked for;
then all of them are booked in one transaction, and dates that somebody has taken meanwhile are told.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo

from sqlalchemy import Connection, Engine
from sqlmodel import Session, col, select

from controller.fleet.door_tables import Asset
from controller.fleet.tables import Room, School
from controller.identity.policy import Principal
from controller.identity.store import audit, staff
from controller.scheduling import claims, views
from controller.scheduling.ahead import Ahead
from controller.scheduling.desk import Series
from controller.scheduling.entries import Kind as ThingKind
from controller.scheduling.entries import RetireThing, WriteThing, WrongEntry
from controller.scheduling.office import Asked, Office, Times
from controller.scheduling.policy import HAZARD_SUPERVISED
from controller.scheduling.series import Outcome, Verdict
from controller.scheduling.stock import Item
from controller.scheduling.stocktaking import Stocktaking
from controller.scheduling.tables import Resource
from controller.scheduling.views import HOLDING
from controller.scope import Scope
from controller.timetable import import_lessons, store
from controller.timetable.editing import Timetables, WriteYear
from controller.timetable.errors import NoSuchYear, TimetableError
from controller.timetable.import_assets import Listed, diff_assets, key_of
from controller.timetable.import_lessons import Bookable, Course, Person
from controller.timetable.import_things import StoredThing, ThingsDiff, diff_things, fault, room_key
from controller.timetable.import_years import diff_years
from controller.timetable.importing import Act, Change, Clash, Diff, Fault, in_order
from controller.timetable.layouts import Field, Kind
from controller.timetable.sheets import Sheet


@dataclass(frozen=True, slots=True)
class Task:
    """A table for a school. `drop` are the marks of lines that are stored, not in it, and to go."""

    school_id: str
    kind: Kind
    sheet: Sheet
    drop: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Dated:
    """What becomes of one date of a row of a timetable; `there`: it is booked just so already."""

    row: int
    verdict: Verdict
    there: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What a task comes to. `concerned` are bookings that would lie outside of periods; `dates` are of LESSONS."""

    diff: Diff
    concerned: tuple[Ahead, ...] = ()
    dates: tuple[Dated, ...] = ()

    @property
    def digest(self) -> str:
        """Another one if it would do anything else."""
        dates = [(each.row, each.verdict.day, each.verdict.outcome, each.there) for each in self.dates]
        concerned = [each.id for each in self.concerned]
        return hashlib.sha256(f"{self.diff.digest} {dates} {concerned}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Done:
    """What was done. `booked` is how many bookings were made, `lost` are the dates that somebody else had meanwhile."""

    preview: Preview
    booked: int = 0
    lost: tuple[Dated, ...] = ()


class Stale(TimetableError):
    """It would come to something else by now than was told: show `preview`, and ask again (409)."""

    def __init__(self, preview: Preview) -> None:
        super().__init__("what is stored has changed since")
        self.preview = preview


class Importer:
    """Safe to use from any thread and any process. A school outside of the asker's scope raises NoSuchYear.

    That the asker has the permission PLAN is for the caller to see to. `changed` is called after every commit.
    """

    def __init__(
        self,
        engine: Engine,
        timetables: Timetables,
        stocktaking: Stocktaking,
        office: Office,
        *,
        now_ms: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._timetables = timetables
        self._stocktaking = stocktaking
        self._office = office
        self._now_ms = now_ms
        self._changed = changed

    def look(self, who: Principal, task: Task) -> Preview:
        """What would become of it. Nothing stays written."""
        with Session(self._engine) as db:
            _reach(db, who, task.school_id)
            if task.kind is Kind.LESSONS:
                return self._lessons(db, who, task)[0]
            claims.begin(db.connection())
            found = self._write(db, who, task)
            db.rollback()
            return found

    def apply(self, who: Principal, task: Task, digest: str, key: str) -> Done:
        """Have it so, if it comes to what was told: the preview of that `digest`. Rows at fault are left out.

        `key` names this import, for the same asker: again with it books nothing twice. Raises Stale.
        """
        with Session(self._engine) as db:
            _reach(db, who, task.school_id)
            if task.kind is Kind.LESSONS:
                preview, courses = self._lessons(db, who, task)
                if preview.digest != digest:
                    raise Stale(preview)
                db.rollback()  # the bookings are a transaction of their own
                return self._book(who, task, preview, courses, key)
            claims.begin(db.connection())
            preview = self._write(db, who, task)
            if preview.digest != digest:
                db.rollback()
                raise Stale(preview)
            if preview.diff.writes:
                self._audit(db, who, task, preview, 0)
            db.commit()
        self._changed()
        return Done(preview)

    def _write(self, db: Session, who: Principal, task: Task) -> Preview:
        """Have it so, within this transaction."""
        if task.kind is Kind.THINGS:
            return Preview(_Shelf(db, who, self._stocktaking, task).put())
        if task.kind is Kind.ASSETS:
            return Preview(_put_assets(db, task))
        stored = {each.name: each for each in store.plans(db, task.school_id).values()}
        found = diff_years(task.kind, task.sheet, task.school_id, stored, task.drop)
        concerned = self._timetables.apply(db, who, [WriteYear(each) for each in found.plans])
        db.flush()
        return Preview(found.diff, tuple(concerned))

    def _audit(self, db: Session, who: Principal, task: Task, preview: Preview, booked: int) -> None:
        diff = preview.diff
        counted = " ".join(f"{act} {diff.count(act)}" for act in (Act.ADDED, Act.CHANGED, Act.REMOVED, Act.SAME))
        detail = f"{counted} at fault {len(diff.bad_rows)} booked {booked} of {preview.digest}"
        audit(
            db,
            self._now_ms(),
            "import",
            actor=who.id,
            subject=task.kind,
            school_id=task.school_id,
            detail=detail,
        )

    # timetables

    def _lessons(self, db: Session, who: Principal, task: Task) -> tuple[Preview, list[Course]]:
        found, faults = import_lessons.courses(task.sheet, _school(db, task.school_id, self._office.zone))
        changes: list[Change] = []
        dates: list[Dated] = []
        for course in found:
            its = self._dates(who, task.school_id, course)
            dates += its
            wanted = any(each.verdict.outcome is Outcome.OK and not each.there for each in its)
            if wanted or any(each.there for each in its):
                changes.append(Change(course.line.row, Act.ADDED if wanted else Act.SAME, course.line))
            else:
                faults += (course.line.fault(None, Clash.ALL_REFUSED),)
        return Preview(Diff(tuple(changes), in_order(faults)), dates=tuple(dates)), found

    def _dates(self, who: Principal, school_id: str, course: Course) -> list[Dated]:
        """By day."""
        row = course.line.row
        there = self._there(who, school_id, course)
        left = [each for each in course.spans if each not in there]
        verdicts = self._office.plan_spans(who, _asked(school_id, course), left) if left else ()
        zone = self._office.zone
        found = [Dated(row, each) for each in verdicts]
        found += [Dated(row, Verdict(_day(each, zone), Outcome.OK, each), there=True) for each in there]
        found += [Dated(row, Verdict(day, Outcome.HOLIDAY, holiday=name)) for day, name in course.free]
        return sorted(found, key=lambda each: each.verdict.day)

    def _there(self, who: Principal, school_id: str, course: Course) -> list[range]:
        """Those of its times at which its teacher has its thing just so."""
        if not course.spans:
            return []
        whole = range(course.spans[0].start, course.spans[-1].stop)
        found = {
            (each.start_ms, each.end_ms)
            for each in self._office.of_things(who, [course.thing.id], whole)
            if (each.school_id, each.holder_id, each.title) == (school_id, course.holder, course.title)
            and each.state in HOLDING
        }
        return [each for each in course.spans if (each.start, each.stop) in found]

    def _book(self, who: Principal, task: Task, preview: Preview, courses: Sequence[Course], key: str) -> Done:
        wanted: dict[int, Times] = {}
        for course in courses:
            row = course.line.row
            spans = [
                each.verdict.span_ms
                for each in preview.dates
                if each.row == row and each.verdict.outcome is Outcome.OK and not each.there
            ]
            if spans:
                times = tuple(each for each in spans if each is not None)
                wanted[row] = Times(_asked(task.school_id, course), times, f"{key}:{row}")

        def tell(connection: Connection, made: Sequence[Series]) -> None:
            with Session(connection) as db:
                self._audit(db, who, task, preview, sum(len(each.booked) for each in made))
                db.flush()

        made = self._office.book_together(who, list(wanted.values()), tell)
        lost = [Dated(row, each) for row, series in zip(wanted, made, strict=True) for each in series.lost]
        return Done(preview, sum(len(each.booked) for each in made), tuple(lost))


def _put_assets(db: Session, task: Task) -> Diff:
    rows = db.exec(select(Asset).where(Asset.school_id == task.school_id).order_by(Asset.name, col(Asset.id))).all()
    listed = [Listed(each.name, each.room, each.serial, each.mac, each.kind) for each in rows]
    by_key = {key_of(one): row for one, row in zip(listed, rows, strict=True)}
    found = diff_assets(task.sheet, listed, task.drop)
    for key, each in found.write.items():
        row = by_key.get(key) or Asset(school_id=task.school_id, name="")
        row.name, row.room, row.serial, row.mac, row.kind = each.name, each.room, each.serial, each.mac, each.made
        db.add(row)
    for key in found.remove:
        db.delete(by_key[key])
    db.flush()
    return found.diff


class _Shelf:
    """Puts the rooms and things of one file in place, within one transaction."""

    def __init__(self, db: Session, who: Principal, stocktaking: Stocktaking, task: Task) -> None:
        self._db = db
        self._who = who
        self._stocktaking = stocktaking
        self._task = task
        self._rooms = {
            each.name: each.id or 0 for each in db.exec(select(Room).where(Room.school_id == task.school_id))
        }
        self._held: set[str] = set()

    def put(self) -> Diff:
        """What is written then, and why not the rest."""
        task = self._task
        planned = diff_things(task.sheet, task.school_id, self._stored(), tuple(self._rooms), task.drop)
        faults = in_order([*planned.diff.faults, *self._fill(planned)])
        bad = {each.row for each in faults if each.row}
        return Diff(tuple(self._as_it_went(each) for each in planned.diff.changes if each.row not in bad), faults)

    def _as_it_went(self, change: Change) -> Change:
        return replace(change, act=Act.KEPT) if change.line.key in self._held else change

    def _fill(self, planned: ThingsDiff) -> list[Fault]:
        faults: list[Fault] = []
        for room in planned.rooms:
            self._rooms[room.name] = self._stocktaking.apply(self._db, self._who, [room])[0]
        for each in planned.things:
            try:
                self._put(self._wired(each.entry, each.room, each.circuit))
            except WrongEntry as error:
                faults.append(fault(each.line, error))
        for line, entry in planned.retired:
            try:
                self._put(entry)
            except WrongEntry as error:
                self._held.add(line.key)
                faults.append(replace(fault(line, error), text=str(line[Field.NAME])))
        return faults

    def _put(self, entry: WriteThing | RetireThing) -> None:
        """Raises WrongEntry, and then nothing of it is written."""
        with self._db.begin_nested():
            self._stocktaking.apply(self._db, self._who, [entry])
            self._db.flush()

    def _wired(self, entry: WriteThing, room: str, circuit: str) -> WriteThing:
        """With the ids of its room and circuit, which are there by now."""
        by_key = {room_key(name): number for name, number in self._rooms.items()}
        wires = [each for each in self._things() if each.kind == ThingKind.CIRCUIT] if circuit else []
        circuit_id = next((each.id for each in wires if each.name == circuit), None)
        return replace(entry, room_id=by_key.get(room_key(room)), circuit_id=circuit_id)

    def _stored(self) -> list[StoredThing]:
        rooms = {number: name for name, number in self._rooms.items()}
        found = self._things()
        names = {each.id: each.name for each in found}
        return [
            StoredThing(_entry(each), rooms.get(each.room_id or 0, ""), names.get(each.circuit_id, ""))
            for each in found
        ]

    def _things(self) -> Sequence[Resource]:
        asked = select(Resource).where(Resource.school_id == self._task.school_id)
        return [each for each in self._db.exec(asked.order_by(Resource.name, col(Resource.id))) if not each.retired]


def _school(db: Session, school_id: str, zone: tzinfo) -> import_lessons.School:
    things = [
        Bookable(
            each.id,
            each.name,
            each.code,
            pool=each.kind == ThingKind.POOL,
            own=each.school_id == school_id,
            supervised=each.hazard >= HAZARD_SUPERVISED,
        )
        for each in views.things(db.connection(), Scope(school_id))
        if each.kind != ThingKind.CIRCUIT
    ]
    people = [Person(each.id, each.login, each.name) for each in staff(db, Scope(school_id))]
    years = [each.school_year(zone) for each in store.plans(db, school_id).values()]
    return import_lessons.School(people, things, years)


def _entry(row: Resource) -> WriteThing:
    return WriteThing(
        row.school_id,
        row.name,
        ThingKind(row.kind),
        row.class_name,
        row.code,
        row.room_id,
        row.device_id,
        row.circuit_id,
        row.capacity,
        row.setup_min,
        row.clean_up_min,
        row.charge_min,
        row.watts,
        row.hazard,
        row.certificate,
        row.shared,
        row.approval,
        row.id,
    )


def _asked(school_id: str, course: Course) -> Asked:
    """The teacher of a lesson is the adult who stands beside a dangerous machine in it."""
    first = course.spans[0]
    return Asked(
        items=(Item(course.thing.id),),
        start_ms=first.start,
        end_ms=first.stop,
        title=course.title,
        purpose=course.purpose,
        head_count=course.head_count,
        holder=course.holder,
        school_id=school_id,
        supervisors=(course.holder,) if course.thing.supervised else (),
    )


def _day(span_ms: range, zone: tzinfo) -> date:
    return datetime.fromtimestamp(span_ms.start / 1000, zone).date()


def _reach(db: Session, who: Principal, school_id: str) -> None:
    """Raises NoSuchYear."""
    if not who.scope.covers(school_id) or db.get(School, school_id) is None:
        raise NoSuchYear(f"no school {school_id}")
