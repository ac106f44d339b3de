"""The one composition root: makes every part from the configuration and starts and stops them in order."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy.exc import SQLAlchemyError
from starlette.middleware.gzip import GZipMiddleware

from controller.api import bookings as bookings_api
from controller.api import commands as commands_api
from controller.api import (
    connections,
    devices,
    enrol,
    files,
    found,
    health,
    quarantine,
    renewal,
    rollups,
    series,
    stream,
    trials,
)
from controller.api import jobs as jobs_api
from controller.api import settings as settings_api
from controller.api.malformed import malformed
from controller.api.models import Problem
from controller.commands.dispatcher import Dispatcher
from controller.commands.errors import CommandError
from controller.commands.rights import Rights
from controller.commands.service import Commands
from controller.commands.trials import Trials
from controller.config import ControllerConfig
from controller.database import make_engine
from controller.desired.desk import ConfigDesk, DesiredError
from controller.faults import faults_in
from controller.fleet.door import Enrolment
from controller.fleet.gatekeeping import Gatekeeper
from controller.fleet.live import LiveFleet, profile_here
from controller.found.desk import FoundDesk
from controller.home_assistant.publisher import Publisher
from controller.home_assistant.settings import HomeAssistants
from controller.identity.account import Accounts
from controller.identity.limit import FailureLimit
from controller.identity.oidc_door import OidcDoor
from controller.identity.password import Passwords
from controller.identity.people import People
from controller.identity.refusals import Refusals
from controller.identity.signin import SignIn
from controller.identity.store import new_id
from controller.identity.tokens import Tokens
from controller.jobs.errors import JobError
from controller.jobs.service import Jobs
from controller.notifications.outlet import Outlet
from controller.notifications.sealing import Seal
from controller.notifications.sender import Sender
from controller.notifications.settings import Notifications
from controller.plant import Plant
from controller.privacy.erasure import Eraser
from controller.scheduling.attendance import Attendance
from controller.scheduling.booking_errors import BookingError
from controller.scheduling.bookings import Bookings
from controller.scheduling.clockwork import Clockwork
from controller.scheduling.health import of_fleet
from controller.scheduling.journal import Journal
from controller.scheduling.kits import Kits
from controller.scheduling.leases import LeaseDesk
from controller.scheduling.offers import Offers
from controller.scheduling.office import Office
from controller.scheduling.stocktaking import Stocktaking
from controller.scheduling.usage import Usage
from controller.services import Services
from controller.telemetry.keeper import Keeper
from controller.telemetry.store import History
from controller.timetable.editing import Timetables
from controller.web import pages, signin
from controller.web.access import SESSION_COOKIE, Access
from controller.web.live import Hub
from controller.web.news_words import NewsWords
from controller.web.security import Gate, SecurityHeaders, own_hosts
from controller.webhooks.sender import WebhookSender
from controller.webhooks.settings import Webhooks
from controller.webhooks.watcher import Watcher

FOLLOW_S = 3.0
"""How soon the broker follows agents that another process added or revoked."""
UPLOAD_READ = 3
"""How many times the largest file is read of one that is too large, so that its sender gets to hear why it is."""
_log = logging.getLogger(__name__)


def wall_ms() -> int:
    """Now, in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def create_app(config: ControllerConfig, now_ms: Callable[[], int] = wall_ms) -> FastAPI:
    """The whole controller as an ASGI application. Nothing runs and nothing is opened before its lifespan begins."""
    engine = make_engine(config.database)
    refusals = Refusals(engine, now_ms)
    live = LiveFleet(engine, now_ms)
    leases = LeaseDesk(engine, now_ms)
    dispatcher = Dispatcher(engine, leases, now_ms, live.touch, config.commands.keep_days)
    rights = Rights(engine, now_ms)
    commands = Commands(engine, live, leases, dispatcher, now_ms, rules=rights.rules)
    jobs = Jobs(engine, live, commands, config.folder / "files", now_ms, room=config.jobs)
    journal = Journal(config.folder)
    usage = Usage(engine, now_ms)
    offers = Offers(ZoneInfo(config.zone), now_ms, of_fleet(live))
    clockwork = Clockwork(
        engine,
        now_ms,
        leases=leases,
        usage=usage,
        leases_changed=dispatcher.wake,
        journal=journal,
        offers=offers,
    )

    def stock_changed() -> None:
        live.load_places()
        clockwork.wake()

    office = Office(engine, live, ZoneInfo(config.zone), now_ms, clockwork.wake, journal=journal, offers=offers)
    seal = Seal(config.folder)
    outlet = Outlet(engine, seal, config.notices, now_ms)
    news = NewsWords(office, live, config.notices.public_url, now_ms)
    sender = Sender(
        engine,
        outlet,
        seal,
        news,
        zone=ZoneInfo(config.zone),
        keep_days=config.notices.keep_days,
        now_ms=now_ms,
        chance=random.random,
    )
    publisher = Publisher(engine, live, now_ms)
    hooks_outlet = Outlet(engine, seal, config.notices, now_ms)
    hooks = WebhookSender(
        engine, hooks_outlet, seal, keep_days=config.notices.keep_days, now_ms=now_ms, chance=random.random
    )
    keeper = Keeper(engine, config.history, config.archive, now_ms)
    configs = ConfigDesk(engine, now_ms, dispatcher.wake)
    plant = Plant(
        config,
        engine,
        live,
        dispatcher=dispatcher,
        jobs=jobs,
        clockwork=clockwork,
        sender=sender,
        keeper=keeper,
        journal=journal,
        refusals=refusals,
        publisher=publisher,
        watcher=Watcher(engine, live, now_ms, new_id),
        webhooks=hooks,
        now_ms=now_ms,
    )
    passwords = Passwords()
    signing_in = SignIn(engine, passwords, now_ms, refusals)
    services = Services(
        config=config,
        engine=engine,
        live=live,
        hub=Hub(live),
        enrolment=Enrolment(engine, now_ms, plant.admit, lambda: plant.authorities().newest),
        gatekeeper=Gatekeeper(engine, now_ms, plant.admit),
        signin=signing_in,
        oidc=OidcDoor(engine, signing_in, config.oidc, now_ms),
        accounts=Accounts(engine, passwords, now_ms),
        people=People(engine, now_ms),
        tokens=Tokens(engine, now_ms),
        rights=rights,
        enrol_limit=FailureLimit(20, 5 * 60_000, now_ms),
        plant=plant,
        commands=commands,
        jobs=jobs,
        office=office,
        attendance=Attendance(engine, Bookings(engine, now_ms, journal, offers), now_ms, clockwork.wake),
        clockwork=clockwork,
        leases=leases,
        timetables=Timetables(engine, ZoneInfo(config.zone), now_ms),
        history=History(engine, keeper.archive),
        stocktaking=Stocktaking(engine, now_ms, stock_changed),
        configs=configs,
        found=FoundDesk(engine, configs, now_ms, profile_here),
        trials=Trials(engine, now_ms, lambda who, device_id: live.profile(who.scope, device_id), live.touch),
        kits=Kits(engine, now_ms, clockwork.wake),
        home_assistants=HomeAssistants(engine, now_ms, switched=publisher.wake, admit=plant.admit),
        webhooks=Webhooks(engine, hooks, seal, outlet.given, now_ms),
        notifications=Notifications(engine, outlet, seal, now_ms),
        news=news,
        eraser=Eraser(engine, now_ms, offers),
        refusals=refusals,
        now_ms=now_ms,
    )
    return assemble(services)


def assemble(services: Services) -> FastAPI:
    """Routers and middleware around `services`."""
    plant = services.plant

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(plant.start)
        tasks = [asyncio.create_task(services.hub.run()), asyncio.create_task(_follow(plant))]
        try:
            yield
        finally:
            services.hub.close()
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await asyncio.to_thread(plant.stop)

    app = FastAPI(title="Fabfleet", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.services = services
    app.include_router(api(services), prefix="/api/v1")
    app.include_router(health.router(services))
    app.include_router(signin.router(services))
    pages.install(app, services)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(CommandError, commands_api.problem)
    app.add_exception_handler(JobError, jobs_api.problem)
    app.add_exception_handler(BookingError, bookings_api.problem)
    app.add_exception_handler(DesiredError, settings_api.problem)
    https_host = services.config.https_host
    hosts = own_hosts((services.config.host, *services.config.hosts, *filter(None, (https_host,))))
    app.add_middleware(Access, signin=services.signin, refusals=services.refusals)
    max_upload = UPLOAD_READ * services.config.jobs.max_bytes
    app.add_middleware(Gate, hosts=hosts, max_upload=max_upload, refusals=services.refusals)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)
    app.add_middleware(SecurityHeaders, https_host=https_host, is_away=faults_in(services.engine).unavailable)
    return app


def api(services: Services) -> APIRouter:
    """Everything under /api/v1. `Access` lets nobody in without a session or token; the document says so."""
    guarded = APIRouter(
        dependencies=[
            Depends(HTTPBearer(auto_error=False)),
            Depends(APIKeyCookie(name=SESSION_COOKIE, auto_error=False)),
        ],
        responses={
            400: {"model": Problem, "description": "The request cannot be read"},
            401: {"model": Problem, "description": "Neither session nor bearer token"},
            403: {"model": Problem, "description": "The account lacks the permission"},
            422: {"model": Problem, "description": "The request is malformed"},
        },
    )
    parts = (
        devices,
        commands_api,
        trials,
        jobs_api,
        bookings_api,
        series,
        rollups,
        stream,
        quarantine,
        settings_api,
        connections,
        found,
    )
    for part in parts:
        guarded.include_router(part.router(services))
    routes = APIRouter(
        responses={
            413: {"model": Problem, "description": "The request is too large"},
            503: {"model": Problem, "description": "The database cannot be reached now"},
        }
    )
    routes.include_router(guarded)
    routes.include_router(enrol.router(services))
    routes.include_router(files.router(services))
    routes.include_router(renewal.router(services))
    return routes


async def _follow(plant: Plant) -> None:
    """Keep the broker's users as the table has them, also when another process changed it."""
    while True:
        await asyncio.sleep(FOLLOW_S)
        try:
            await asyncio.to_thread(plant.look_after_credentials)
            await asyncio.to_thread(plant.look_after_certificates)
            await asyncio.to_thread(plant.admit)
            await asyncio.to_thread(plant.look_after_broker)
        except SQLAlchemyError as error:
            _log.warning("the agents cannot be read now: %s", type(error).__name__)
