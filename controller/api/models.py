"""What the API says, as typed models. Times are milliseconds since the Unix epoch, UTC, and end in `_ms`."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from contract.machine import MAX_FACTS
from contract.model import MAX_NAME, MAX_TEXT, CommandStatus, Quality
from controller.alerts.rules import DeviceState, Reason
from controller.commands.service import MAX_KEY, CommandView
from controller.fleet.picture import DeviceView, ValueView
from controller.jobs.service import JobLine, JobView
from controller.jobs.states import JobState
from controller.jobs.work import Work
from controller.telemetry.tiers import Tier

JsonValue = StrictBool | StrictInt | StrictFloat | StrictStr | None
ArgValue = StrictBool | StrictInt | StrictFloat | Annotated[StrictStr, Field(max_length=MAX_TEXT)]
NAME = rf"^[a-z0-9-]{{1,{MAX_NAME}}}$"
KEY = "^([0-9a-f]{64})?$"
Fact = Annotated[StrictStr, Field(pattern="^[a-z]{1,10}:[0-9a-f]{8,64}$")]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(Model):
    """Why a request was not answered as asked. `code`, where there is one, is stable; `detail` is for people."""

    detail: str
    code: str = ""


class ReasonOut(Model):
    """Why a device is in its state. `code` is stable; the labels are for people."""

    code: str
    state: DeviceState
    label_en: str
    label_vi: str
    metric: str
    detail: str
    since_ms: int

    @classmethod
    def of(cls, reason: Reason) -> Self:
        return cls(
            code=reason.code,
            state=reason.state,
            label_en=reason.label.en,
            label_vi=reason.label.vi,
            metric=reason.metric,
            detail=reason.detail,
            since_ms=reason.since_ms,
        )


class DeviceOut(Model):
    """A device with its headline value. `heard_ms` is null if nothing was ever heard from it."""

    id: int
    slug: str
    name: str
    school: str
    school_name: str
    room: int | None
    room_name: str
    agent: str
    profile: str
    state: DeviceState
    since_ms: int
    heard_ms: int | None
    metric: str
    unit: str = Field(description="UCUM code of the headline value")
    value: JsonValue
    reasons: list[ReasonOut]

    @classmethod
    def of(cls, view: DeviceView) -> Self:
        return cls(
            id=view.id,
            slug=view.slug,
            name=view.name,
            school=view.school_id,
            school_name=view.school,
            room=view.room_id,
            room_name=view.room,
            agent=view.agent,
            profile=view.profile_slug,
            state=view.state,
            since_ms=view.since_ms,
            heard_ms=view.heard_ms or None,
            metric=view.metric,
            unit=view.unit,
            value=view.value,
            reasons=[ReasonOut.of(reason) for reason in view.reasons],
        )


class DevicePage(Model):
    """Some of the devices found; `total` counts all of them. `next` is the offset of the following page, if any."""

    items: list[DeviceOut]
    total: int
    next: int | None
    broker: bool = Field(description="false: the broker is not reached, everything is as it was last known")


class ValueOut(Model):
    """The newest value of a metric. `at_ms` is null if none has come."""

    metric: str
    label_en: str
    label_vi: str
    unit: str
    kind: str
    at_ms: int | None
    value: JsonValue
    quality: Quality

    @classmethod
    def of(cls, view: ValueView) -> Self:
        return cls(
            metric=view.metric,
            label_en=view.label.en if view.label else view.metric,
            label_vi=view.label.vi if view.label else view.metric,
            unit=view.unit,
            kind=view.kind,
            at_ms=view.at_ms,
            value=view.value,
            quality=view.quality,
        )


class DeviceDetail(DeviceOut):
    """A device with all its values. `verified` names the far end its profile was driven against, empty if none."""

    verified: str
    values: list[ValueOut]


class SeriesOut(Model):
    """A metric over time: [when, value], rising; null where there is a gap. At most about `points` of them.

    `tier` is the coarsest of what the answer was made of: `rows` and `archive` are all readings, `5min` and `1h` have
    the lowest and the highest of each such stretch. What is closer together than `resolution_ms` cannot be told apart;
    0: each reading can.
    """

    device: int
    metric: str
    unit: str
    kind: str
    from_ms: int
    to_ms: int
    tier: Tier
    resolution_ms: int
    points: list[tuple[int, JsonValue]]


class RollupsOut(Model):
    """What readings became. `series`: [id, device, metric, unit]; `rollups`: [series, begin in ms, readings with a
    value, lowest, mean, highest], by series and time. `next` is what to give as `after`; null: that was all.
    """

    tier: Tier
    resolution_ms: int
    series: list[tuple[int, int, str, str]]
    rollups: list[tuple[int, int, int, float | None, float | None, float | None]]
    next: int | None


class CommandIn(Model):
    """An order to a device. The same `key` again is the same command: it is given once however often it is sent."""

    action: str = Field(pattern=NAME)
    args: dict[Annotated[str, Field(max_length=MAX_NAME)], ArgValue] = Field(default_factory=dict, max_length=32)
    key: str = Field(default="", max_length=MAX_KEY, description="the asker's own; may come as Idempotency-Key")


class StepOut(Model):
    """A state a command came to. `at_ms` is by the clock of who says so: from `accepted` on the agent's."""

    status: CommandStatus
    at_ms: int
    detail: str


class CommandOut(Model):
    """A command and what became of it.

    `told`: the final status is the agent's own word. A final status without it is the controller's conclusion, and
    gives way to what the agent says later. `detail` of a final status is a stable code or the machine's words.
    """

    id: str
    device: int
    action: str
    args: dict[str, JsonValue]
    by: str
    asked_ms: int
    expires_ms: int
    status: CommandStatus
    detail: str
    told: bool
    steps: list[StepOut]

    @classmethod
    def of(cls, view: CommandView) -> Self:
        return cls(
            id=view.id,
            device=view.device_id,
            action=view.action,
            args=dict(view.args),
            by=view.by,
            asked_ms=view.asked_ms,
            expires_ms=view.expires_ms,
            status=view.status,
            detail=view.detail,
            told=view.told,
            steps=[StepOut(status=step.status, at_ms=step.at_ms, detail=step.detail) for step in view.steps],
        )


class CommandList(Model):
    """The newest commands of a device, newest first."""

    items: list[CommandOut]


class EnrolIn(Model):
    """What a new agent sends: its token and the name it wants, its own key, and hashed facts of its computer.

    Who asks again with the same key is the same agent. `replace`: it stands in for the agent of that name.
    """

    token: str = Field(min_length=1, max_length=200)
    agent: str = Field(pattern=NAME)
    key: str = Field(default="", pattern=KEY)
    machine: tuple[Fact, ...] = Field(default=(), max_length=MAX_FACTS)
    replace: bool = False


class ReclaimIn(Model):
    """An agent that the broker no longer lets in: who it is, the key it has, and the one it wants.

    `epoch` is that of its outbox.
    """

    school: str = Field(pattern=NAME)
    agent: str = Field(pattern=NAME)
    key: str = Field(pattern=KEY, min_length=1)
    new_key: str = Field(pattern=KEY, min_length=1)
    machine: tuple[Fact, ...] = Field(default=(), max_length=MAX_FACTS)
    epoch: str = Field(default="", max_length=16)


class DoorOut(Model):
    """What an agent needs to know before it asks: with what it hashes the facts of its computer."""

    salt: str


class WaitOut(Model):
    """A person is asked on the page of agents; the same request again tells how it went."""

    waiting: str = Field(description="returned: the computer is known; replaces: another computer has the name")


class EnrolOut(Model):
    """All an agent needs to begin. Told once: the server keeps only what it needs to recognise it."""

    school: str
    agent: str
    broker_host: str
    broker_port: int
    broker_tls: bool
    user: str
    password: str
    lease_key: str = Field(description="hexadecimal; signs the agent's lease books")
    credentials: int = Field(default=0, description="their number; it rises with each renewal")
    authority: str = Field(description="certificates, PEM, that the agent is to trust; empty: those it trusts anyway")
    spread_s: float = Field(description="after it was cut off, it comes back within so many seconds")
    place: float = Field(description="at which moment in them, 0 to 1")


class RenewalOut(Model):
    """New credentials of an agent. Told once. Those it has are good until it has connected with these."""

    number: int
    user: str
    password: str
    lease_key: str = Field(description="hexadecimal")
    authority: str = Field(description="PEM; empty: it goes on trusting whom it trusts")


class QuarantinedOut(Model):
    """Something that came and was not taken. `content` is its beginning, as text."""

    id: int
    received_ms: int
    school: str | None
    topic: str
    reason: str
    detail: str
    items: int
    size: int
    content: str


class QuarantinePage(Model):
    """The newest of what is kept, and how many are kept of each reason."""

    items: list[QuarantinedOut]
    counts: dict[str, int]


class ProblemLine(Model):
    """Why a line of a file is refused. `code` is stable."""

    line: int
    code: str
    text: str


class ReviewOut(Model):
    """What a file asks for. `sliced`: the slicer says how long it takes, else that is our estimate."""

    model_config = ConfigDict(frozen=True, extra="allow")

    commands: int
    duration_s: float
    sliced: bool
    filament_mm: float
    filament_g: float
    hottest_nozzle_c: float
    hottest_bed_c: float
    problems: list[ProblemLine]


class JobLineOut(Model):
    """A line of a job's log. `kind` is stable; `by` is a name, empty if nobody did it."""

    at_ms: int
    kind: str
    by: str
    detail: str

    @classmethod
    def of(cls, line: JobLine) -> Self:
        return cls(at_ms=line.at_ms, kind=line.kind, by=line.by, detail=line.detail)


class JobOut(Model):
    """A job. `detail` belongs to the state: a stable code, or the words of a person, the file or the machine.

    `work` is what its machine does with the file, `review` is null until the file was read, `progress` is in percent,
    null if the machine does not say.
    """

    id: int
    device: int
    work: Work
    file_name: str
    title: str
    group: str
    by: str
    created_ms: int
    state: JobState
    state_ms: int
    detail: str
    size: int = Field(description="bytes")
    review: ReviewOut | None
    progress: float | None
    started_ms: int | None
    ended_ms: int | None
    command: CommandOut | None = Field(description="the latest that is to start it")

    @classmethod
    def of(cls, view: JobView) -> Self:
        return cls(
            id=view.id,
            device=view.device_id,
            work=view.work,
            file_name=view.file_name,
            title=view.title,
            group=view.group,
            by=view.by,
            created_ms=view.created_ms,
            state=view.state,
            state_ms=view.state_ms,
            detail=view.detail,
            size=view.size,
            review=None if view.review is None else ReviewOut.model_validate(view.review),
            progress=view.progress,
            started_ms=view.started_ms,
            ended_ms=view.ended_ms,
            command=None if view.command is None else CommandOut.of(view.command),
        )


class JobDetail(JobOut):
    """A job with its log and what is drawn of it."""

    preview: dict[str, Any] | None
    log: list[JobLineOut]

    @classmethod
    def of(cls, view: JobView) -> Self:
        log = [JobLineOut.of(line) for line in view.log]
        preview = None if view.preview is None else dict(view.preview)
        return cls(**JobOut.of(view).model_dump(), preview=preview, log=log)


class JobList(Model):
    """Jobs: those that have not ended first, then the newest."""

    items: list[JobOut]


class ReleaseIn(Model):
    """`bed_clear`: somebody has looked: the bed is empty, the kit may move. Nothing begins without it."""

    bed_clear: StrictBool


class ReturnIn(Model):
    """What the group is to mend."""

    why: str = Field(default="", max_length=1000)


class Health(Model):
    status: str


class Readiness(Model):
    """Whether each part works. All true: ready."""

    database: bool
    broker: bool
    writer: bool
