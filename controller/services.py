"""What the composition root hands to routers: everything a page or an endpoint may use, made once."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from controller.commands.rights import Rights
from controller.commands.service import Commands
from controller.commands.trials import Trials
from controller.config import ControllerConfig
from controller.desired.desk import ConfigDesk
from controller.fleet.door import Enrolment
from controller.fleet.gatekeeping import Gatekeeper
from controller.fleet.live import LiveFleet
from controller.found.desk import FoundDesk
from controller.home_assistant.settings import HomeAssistants
from controller.identity.account import Accounts
from controller.identity.limit import FailureLimit
from controller.identity.oidc_door import OidcDoor
from controller.identity.people import People
from controller.identity.refusals import Refusals
from controller.identity.signin import SignIn
from controller.identity.tokens import Tokens
from controller.jobs.service import Jobs
from controller.notifications.settings import Notifications
from controller.plant import Plant
from controller.privacy.erasure import Eraser
from controller.scheduling.attendance import Attendance
from controller.scheduling.clockwork import Clockwork
from controller.scheduling.kits import Kits
from controller.scheduling.leases import LeaseDesk
from controller.scheduling.office import Office
from controller.scheduling.stocktaking import Stocktaking
from controller.telemetry.store import History
from controller.timetable.editing import Timetables
from controller.web.live import Hub
from controller.web.news_words import NewsWords
from controller.webhooks.settings import Webhooks


@dataclass(frozen=True, slots=True)
class Services:
    """Made by `controller.main.create_app`; routers are functions of it and hold nothing else.

    In every request: `request.state.user` is an `identity.policy.Principal` (None on public routes only),
    `request.state.csrf` the token that forms carry in the hidden field `csrf` (scripts: header `X-CSRF-Token`),
    `request.state.lang` is "vi" or "en".
    """

    config: ControllerConfig
    engine: Engine
    live: LiveFleet
    hub: Hub
    signin: SignIn
    oidc: OidcDoor
    accounts: Accounts
    people: People
    tokens: Tokens
    rights: Rights
    enrolment: Enrolment
    gatekeeper: Gatekeeper
    enrol_limit: FailureLimit
    plant: Plant
    commands: Commands
    jobs: Jobs
    office: Office
    attendance: Attendance
    clockwork: Clockwork
    leases: LeaseDesk
    timetables: Timetables
    stocktaking: Stocktaking
    configs: ConfigDesk
    found: FoundDesk
    trials: Trials
    kits: Kits
    home_assistants: HomeAssistants
    webhooks: Webhooks
    notifications: Notifications
    news: NewsWords
    eraser: Eraser
    refusals: Refusals
    history: History
    now_ms: Callable[[], int]
