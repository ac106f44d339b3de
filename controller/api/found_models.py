"""What the API says of found things and of trials."""

from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr

from contract.found import ClueKind
from controller.api.ids import LARGEST
from controller.api.models import Model
from controller.commands.trials import Trial, TrialState
from controller.found.desk import MOST_REASON, Find
from controller.found.states import FoundState


class ClueOut(Model):
    kind: ClueKind
    text: str


class ChoiceOut(Model):
    """A profile that fits; `sure` if by clues that fit no other."""

    profile: str
    name: str
    endpoint: str
    sure: bool
    verified: bool
    by: list[ClueKind]


class FindOut(Model):
    """A thing that agents see and do not look after. `elsewhere`: a device was adopted with the same serial number."""

    id: int
    state: FoundState
    key: str
    name: str
    identity: str
    school: str
    agents: list[str]
    clues: list[ClueOut]
    choices: list[ChoiceOut]
    elsewhere: bool
    first_ms: int
    seen_ms: int
    device: str = Field(description="the id that it was adopted under")
    reason: str

    @classmethod
    def of(cls, find: Find) -> Self:
        return cls(
            id=find.row.id or 0,
            state=FoundState(find.row.state),
            key=find.row.key,
            name=find.row.name,
            identity=find.row.identity,
            school=find.row.school_id,
            agents=[each.name for each in find.agents],
            clues=[ClueOut(kind=ClueKind(kind), text=text) for kind, text in find.clues],
            choices=[
                ChoiceOut(
                    profile=each.profile.slug,
                    name=each.profile.name,
                    endpoint=each.endpoint,
                    sure=each.sure,
                    verified=each.profile.verified is not None,
                    by=list(each.by),
                )
                for each in find.choices
            ],
            elsewhere=find.elsewhere is not None,
            first_ms=find.row.first_ms,
            seen_ms=find.row.seen_ms,
            device=find.row.slug,
            reason=find.row.reason,
        )


class FindList(Model):
    items: list[FindOut]


class AdoptIn(Model):
    """How it is taken on: an empty profile is the likeliest, an empty name what the thing calls itself."""

    profile: Annotated[StrictStr, Field(max_length=128)] = ""
    name: Annotated[StrictStr, Field(max_length=128)] = ""
    room: Annotated[StrictInt, Field(ge=0, le=LARGEST)] | None = None


class AdoptOut(Model):
    device: str = Field(description="the id of the device, as its agent has it")


class IgnoreIn(Model):
    reason: Annotated[StrictStr, Field(min_length=1, max_length=MOST_REASON)]


class TrialOut(Model):
    """`command_id`: the newest attempt, to be answered by its id; empty if there is none."""

    action: str
    state: TrialState
    command_id: str

    @classmethod
    def of(cls, trial: Trial) -> Self:
        return cls(action=trial.action.name, state=trial.state, command_id=trial.command_id)


class TrialList(Model):
    items: list[TrialOut]


class TriedIn(Model):
    worked: StrictBool
