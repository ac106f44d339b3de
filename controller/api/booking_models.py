"""What the API says of bookings. Times as in `controller.api.models`."""

from typing import Annotated, Any, Self

from pydantic import Field

from controller.api.ids import GivenId
from controller.api.models import Model
from controller.api.models import Problem as Malformed
from controller.scheduling.alternatives import Alternative
from controller.scheduling.alternatives import Kind as AlternativeKind
from controller.scheduling.booking_states import BookingState
from controller.scheduling.choice import Choice
from controller.scheduling.office import MAX_KEY
from controller.scheduling.policy import Code, Problem
from controller.scheduling.stock import Item
from controller.scheduling.views import BookingView, Had, ThingView

MOST_ITEMS = 20
Count = Annotated[int, Field(ge=1, le=1_000)]


class ItemIn(Model):
    """`count` of a `resource` (a unit or a pool), or of any units of a `class_name`; give one of the two.

    `class_name` is looked for in `schools`, in all of them if that is empty.
    """

    resource: GivenId | None = None
    class_name: str = Field(default="", max_length=63)
    count: Count = 1
    schools: list[Annotated[str, Field(max_length=63)]] = Field(default_factory=list, max_length=200)

    def item(self) -> Item:
        return Item(self.resource, self.class_name if self.resource is None else "", self.count, tuple(self.schools))


class BookingIn(Model):
    """What is asked for. Instants are whole five minutes. `reason` overrules what the asker's role may overrule.

    With `waitlist` what is taken is waited for: the booking is `waiting`, has nothing yet, and is `offered` when it
    comes free.
    """

    items: list[ItemIn] = Field(min_length=1, max_length=MOST_ITEMS)
    start_ms: int
    end_ms: int
    kind: str = Field(default="lesson", pattern="^(lesson|club|event|maintenance)$")
    title: str = Field(default="", max_length=128, description="a class or club, never a pupil")
    purpose: str = Field(default="", max_length=200)
    head_count: int = Field(default=0, ge=0, le=10_000, description="pupils")
    holder: str = Field(default="", max_length=32, description="id of whose use it is; empty: your own")
    school: str = Field(default="", max_length=63, description="slug of the school that books; empty: your own")
    supervisors: list[Annotated[str, Field(max_length=32)]] = Field(default_factory=list, max_length=20)
    reason: str = Field(default="", max_length=200)
    waitlist: bool = False
    key: str = Field(default="", max_length=MAX_KEY, description="your own: the same one again is the same booking")


class BookingChange(Model):
    """Another time, the word on a request, or `accepted` for what was offered you: give one of them."""

    start_ms: int | None = None
    end_ms: int | None = None
    reason: str = Field(default="", max_length=200)
    state: str | None = Field(default=None, pattern="^(confirmed|refused|accepted)$")


class HadOut(Model):
    """A thing that a booking has: `count` of a pool, 0 of a unit. The times are with setting up and cleaning."""

    resource: int
    name: str
    room_name: str
    school: str
    device: int | None
    count: int
    from_ms: int
    until_ms: int

    @classmethod
    def of(cls, had: Had) -> Self:
        return cls(
            resource=had.resource_id,
            name=had.name,
            room_name=had.room,
            school=had.school_id,
            device=had.device_id,
            count=had.count,
            from_ms=had.span_ms.start,
            until_ms=had.span_ms.stop,
        )


class BookingOut(Model):
    """A booking as you may see it: `title`, `purpose` and `holder` are empty where they do not concern you."""

    id: str
    school: str
    school_name: str
    holder: str
    holder_name: str
    kind: str
    state: BookingState
    title: str
    purpose: str
    head_count: int
    start_ms: int
    end_ms: int
    resources: list[HadOut]
    series: str | None
    sequence: int = Field(description="rises with every change")
    changed_ms: int
    hold_until_ms: int | None = Field(description="of a request, an offer, a wish: it runs out then")
    checked_in_ms: int | None
    ended_ms: int | None
    mine: bool

    @classmethod
    def of(cls, view: BookingView) -> Self:
        return cls(
            id=view.id,
            school=view.school_id,
            school_name=view.school,
            holder=view.holder_id,
            holder_name=view.holder,
            kind=view.kind,
            state=view.state,
            title=view.title,
            purpose=view.purpose,
            head_count=view.head_count,
            start_ms=view.start_ms,
            end_ms=view.end_ms,
            resources=[HadOut.of(each) for each in view.things],
            series=view.series_id,
            sequence=view.sequence,
            changed_ms=view.changed_ms,
            hold_until_ms=view.hold_until_ms,
            checked_in_ms=view.checked_in_ms,
            ended_ms=view.ended_ms,
            mine=view.mine,
        )


class BookingList(Model):
    """By start."""

    items: list[BookingOut]


class AlternativeOut(Model):
    """Something that is free. `units` stand for the units that were wanted; what was wanted of pools stays."""

    kind: AlternativeKind
    start_ms: int
    end_ms: int
    units: list[int]

    @classmethod
    def of(cls, found: Alternative) -> Self:
        return cls(kind=found.kind, start_ms=found.start_ms, end_ms=found.end_ms, units=_units(found.choice))


class ProblemOut(Model):
    """What speaks against it. `limit` is what is allowed, in the unit of the rule, `found` what there would be."""

    code: Code
    resource: int | None
    limit: int | None
    found: int | None
    name: str
    overridable: bool

    @classmethod
    def of(cls, problem: Problem) -> Self:
        return cls(
            code=problem.code,
            resource=problem.resource,
            limit=problem.limit,
            found=problem.found,
            name=problem.name,
            overridable=problem.overridable,
        )


class NotBooked(Model):
    """Why nothing was booked, and what would do instead: free a moment ago, and allowed."""

    detail: str
    code: str
    problems: list[ProblemOut]
    alternatives: list[AlternativeOut]


class ResourceOut(Model):
    """Something that can be booked. `taken` within the time: [from_ms, until_ms, count], count 0 of a unit."""

    id: int
    school: str
    name: str
    kind: str = Field(description="unit or pool")
    class_name: str
    room: int | None
    room_name: str
    device: int | None
    capacity: int
    hazard: int = Field(description="0 to 3")
    certificate: str
    approval: bool = Field(description="a teacher's booking of it is a request")
    taken: list[tuple[int, int, int]]

    @classmethod
    def of(cls, view: ThingView, taken: list[tuple[int, int, int]]) -> Self:
        return cls(
            id=view.id,
            school=view.school_id,
            name=view.name,
            kind=view.kind,
            class_name=view.class_name,
            room=view.room_id,
            room_name=view.room,
            device=view.device_id,
            capacity=view.capacity,
            hazard=view.hazard,
            certificate=view.certificate,
            approval=view.approval,
            taken=taken,
        )


class OpeningOut(Model):
    """A time at which it can be had, and with which units."""

    start_ms: int
    end_ms: int
    units: list[int]

    @classmethod
    def of(cls, span_ms: range, choice: Choice) -> Self:
        return cls(start_ms=span_ms.start, end_ms=span_ms.stop, units=_units(choice))


class AvailabilityOut(Model):
    """`openings` are there if a number of `periods` was asked for."""

    resources: list[ResourceOut]
    openings: list[OpeningOut]


def _units(choice: Choice) -> list[int]:
    return [unit.id for group in choice.units for unit in group]


BOOKING_ERRORS: dict[int | str, dict[str, Any]] = {
    403: {"model": NotBooked | Malformed, "description": "Somebody else's booking, or your account may not"},
    404: {"model": NotBooked, "description": "No such booking in your scope"},
    409: {
        "model": NotBooked,
        "description": "Taken, or the booking has gone on; with alternatives if there are",
    },
    422: {
        "model": NotBooked | Malformed,
        "description": "Malformed, or rules are against it; with alternatives if there are",
    },
}
