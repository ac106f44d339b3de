"""What agents are to be: settings by place with what they inherit, their history, and how each agent stands."""

from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from contract.model import ContractError, Kind
from contract.settings import SETTINGS
from controller.api.ids import RowId
from controller.api.models import ArgValue, Model, Problem
from controller.desired.desk import AgentStand, DesiredError, NoSuchPlace, NotYours, View, WrongWish
from controller.desired.drift import Drift
from controller.desired.inheritance import Place, place_of
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import allowed

Configurer = Annotated[Principal, Depends(allowed(Permission.CONFIGURE))]
PlaceText = Annotated[str, Path(max_length=80, description="cluster, school-SLUG, room-ID or agent-ID")]
_STATUS: Final[dict[type[DesiredError], int]] = {NoSuchPlace: 404, NotYours: 403, WrongWish: 422}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"model": Problem, "description": "The account lacks the permission, or it is for who has the whole cluster"},
    404: {"model": Problem, "description": "No such place in your scope"},
    422: {"model": Problem, "description": "Malformed, or a setting that nobody knows or that is out of bounds"},
}


class SettingOut(Model):
    """A setting that there is. `unit` is a UCUM code; bounds are null for a text."""

    key: str
    kind: Kind
    unit: str
    default: ArgValue
    least: float | None
    most: float | None


class SettingList(Model):
    items: list[SettingOut]


class OriginOut(Model):
    """A value that counts, and the place where it is wanted."""

    value: ArgValue
    place: str


class PlaceOut(Model):
    """`own` is wanted at this place; `effective` is what counts here, its own over what it inherits."""

    place: str
    name: str
    school: str | None
    own: dict[str, ArgValue]
    effective: dict[str, OriginOut]

    @classmethod
    def of(cls, view: View) -> Self:
        counts = {key: OriginOut(value=each.value, place=str(each.place)) for key, each in view.inherited.items()}
        counts |= {key: OriginOut(value=value, place=str(view.place)) for key, value in view.own.items()}
        return cls(
            place=str(view.place),
            name=view.name,
            school=view.school_id,
            own=dict(view.own),
            effective=dict(sorted(counts.items())),
        )


class SettingsIn(Model):
    """All that is wanted at the place from now on; what is not named is inherited."""

    settings: dict[Annotated[str, Field(max_length=128)], ArgValue] = Field(max_length=len(SETTINGS))


class Written(Model):
    """How many agents have another configuration now."""

    agents: int


class ChangeOut(Model):
    """`settings` are all of the place after the change; `back_to` is the change that it was set back to."""

    id: int
    at_ms: int
    by: str
    settings: dict[str, ArgValue]
    back_to: int | None


class ChangeList(Model):
    items: list[ChangeOut]


class StandOut(Model):
    """How an agent stands. `reason` says why its newest configuration was refused or rolled back."""

    agent_id: int
    school: str
    agent: str
    state: Drift
    number: int
    since_ms: int
    in_force: str = Field(description="generation.number of the configuration in force")
    digest: str
    reason: str

    @classmethod
    def of(cls, stand: AgentStand) -> Self:
        return cls(
            agent_id=stand.agent.id or 0,
            school=stand.agent.school_id,
            agent=stand.agent.name,
            state=stand.drift,
            number=stand.number,
            since_ms=stand.since_ms,
            in_force=f"{stand.said.generation}.{stand.said.number}",
            digest=stand.said.digest,
            reason=stand.said.reason if stand.drift.needs_help else "",
        )


class StandList(Model):
    items: list[StandOut]


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["settings"])
    desk = services.configs

    @routes.get("/settings")
    def settings(who: Configurer) -> SettingList:  # noqa: ARG001 - only who configures may ask
        """Every setting that an agent can be given."""
        return SettingList(items=[_setting(key) for key in SETTINGS])

    @routes.get("/settings/{scope}", responses=_REFUSALS)
    def read(who: Configurer, scope: PlaceText) -> PlaceOut:
        """What is wanted at a place, and what counts there."""
        return PlaceOut.of(desk.view(who, _place(scope)))

    @routes.put("/settings/{scope}", responses=_REFUSALS)
    def write(who: Configurer, scope: PlaceText, wanted: SettingsIn) -> Written:
        """Want exactly these settings at a place: all of them or, if one is wrong, none."""
        return Written(agents=desk.write(who, _place(scope), wanted.settings))

    @routes.get("/settings/{scope}/changes", responses=_REFUSALS)
    def changes(who: Configurer, scope: PlaceText) -> ChangeList:
        """How the settings of a place came to be, newest first."""
        return ChangeList(
            items=[
                ChangeOut(
                    id=each.id or 0, at_ms=each.at_ms, by=each.by_id, settings=each.settings, back_to=each.back_to
                )
                for each in desk.view(who, _place(scope)).history
            ]
        )

    @routes.post("/settings/changes/{change_id}/restore", responses=_REFUSALS)
    def restore(who: Configurer, change_id: RowId) -> Written:
        """Want again what was wanted at a place after that change."""
        return Written(agents=desk.set_back(who, change_id))

    @routes.get("/drift")
    def drift(who: Configurer) -> StandList:
        """How every agent of your scope stands with its configuration."""
        return StandList(items=[StandOut.of(each) for each in desk.stands(who.scope)])

    return routes


def _place(text: str) -> Place:
    try:
        return place_of(text)
    except ContractError as error:
        raise NoSuchPlace(str(error)) from None


def _setting(key: str) -> SettingOut:
    found = SETTINGS[key]
    text = found.kind is Kind.TEXT
    return SettingOut(
        key=key,
        kind=found.kind,
        unit=found.unit,
        default=found.default,
        least=None if text else found.least,
        most=None if text else found.most,
    )


def problem(_request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that cannot be wanted. For DesiredError only."""
    if not isinstance(error, DesiredError):
        raise error
    told = Problem(detail=str(error), code=error.key if isinstance(error, WrongWish) else "")
    return JSONResponse(told.model_dump(), _STATUS[type(error)])
