"""What every page has around it, and how a page is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request as AnyRequest

from contract.units import UNITS, symbol
from controller.fleet.live import LiveFleet
from controller.identity.policy import Permission, Principal, Role, home, may
from controller.services import Services
from controller.web.formats import age
from controller.web.i18n import LANGUAGES, Language, language, number
from controller.web.reader import preferred
from controller.web.statics import static_url
from controller.web.views import state_word

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the navigation."""

    href: str
    text: str
    icon: str
    current: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, as the menu says it."""

    name: str
    initials: str
    role: str
    school: str


@dataclass(frozen=True, slots=True)
class Frame:
    """`here` is the page's own address, for coming back after the language was changed."""

    home: str
    entries: tuple[Entry, ...]
    person: Person | None
    csrf: str
    here: str


def language_of(request: AnyRequest) -> Language:
    """The language of an answer: asked for by `?lang=`, else the reader's, also before anything is known of them."""
    asked = request.query_params.get("lang", "")
    return language(asked if asked in LANGUAGES else getattr(request.state, "lang", "") or preferred(request, None))


def frame(request: Request, live: LiveFleet, words: Language) -> Frame:
    """Navigation follows the role; only pages that there are stand in it."""
    who: Principal | None = request.state.user
    query = request.url.query
    here = request.url.path + (f"?{query}" if query and "lang=" not in query else "")
    if who is None:
        return Frame("/signin", (), None, request.state.csrf, here)
    return Frame(home(who), _entries(who, request.url.path, words), _person(who, live, words), request.state.csrf, here)


def _entries(who: Principal, path: str, words: Language) -> tuple[Entry, ...]:
    found = []
    if may(who, Permission.VIEW_FLEET):
        found.append(Entry("/fleet", str(words.t("Devices")), icon="layout-grid", current=path == "/fleet"))
    if may(who, Permission.BOOK):
        found.append(
            Entry("/calendar", str(words.t("Reservations")), icon="calendar-event", current=path == "/calendar")
        )
    if may(who, Permission.VIEW_REPORTS):
        current = path.startswith("/reports/")
        found.append(Entry("/reports/use", str(words.t("Reports")), icon="chart-bar", current=current))
    if who.role in (Role.TEACHER, Role.COORDINATOR):
        found.append(Entry("/my", str(words.t("My bookings")), icon="list-check", current=path == "/my"))
    if may(who, Permission.ENROL_AGENTS):
        current = path.startswith(("/agents", "/connections"))
        found.append(Entry("/agents", str(words.t("Agents")), icon="device-desktop-plus", current=current))
    if who.role in (Role.TEACHER, Role.TECHNICIAN):  # who plans has it among the planning pages
        found.append(Entry("/kits", str(words.t("Kits")), icon="package", current=path.startswith("/kits")))
    if may(who, Permission.PLAN):
        current = path.startswith("/admin/")
        found.append(Entry("/admin/time", str(words.t("Planning")), icon="ruler-2", current=current))
    if may(who, Permission.MANAGE_USERS):
        current = path.startswith(("/people", "/privacy/people", "/audit"))
        found.append(Entry("/people", str(words.t("People")), icon="users", current=current))
    elif may(who, Permission.VIEW_AUDIT):
        found.append(Entry("/audit", str(words.t("Audit")), icon="file-search", current=path == "/audit"))
    return tuple(found)


def _person(who: Principal, live: LiveFleet, words: Language) -> Person:
    schools = live.schools(who.scope) if who.school_id else []
    parts = who.name.split()
    initials = "".join(part[0] for part in (parts[-2:] if len(parts) > 1 else parts))
    return Person(who.name, initials.upper(), role_word(who.role, words), schools[0].name if schools else "")


def role_word(role: Role, words: Language) -> str:
    """The glossary's word for a role."""
    return str(
        {
            Role.TEACHER: words.t("teacher"),
            Role.TECHNICIAN: words.t("technician"),
            Role.COORDINATOR: words.t("coordinator"),
            Role.ADMINISTRATOR: words.t("administrator"),
            Role.AUDITOR: words.t("auditor"),
        }[role]
    )


def render(
    services: Services, request: Request, template: str, values: Mapping[str, object], *, status: int = 200
) -> HTMLResponse:
    """A page, or a part of one, in the reader's language."""
    words, now_ms = language_of(request), services.now_ms()
    text = (
        _environment(words.code)
        .get_template(template)
        .render(
            values,
            frame=frame(request, services.live, words),
            age_of=lambda at_ms: age(at_ms, now_ms, words),
            broker=services.live.broker,
            storing=services.live.storing,
        )
    )
    return HTMLResponse(text, status)


def bare_page(words: Language, template: str, view: object, frame: Frame) -> str:
    """A page that shows nothing of the fleet: also for who is refused before anything is known of them."""
    return _environment(words.code).get_template(template).render(view=view, frame=frame)


@cache
def _environment(code: str) -> Environment:
    words = language(code)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(
        lang=words,
        t=words.t,
        tn=words.tn,
        number=lambda value: number(value, code),
        state_word=lambda state: state_word(state, words),
        static=static_url,
        words=_script_content(words),
    )
    return environment


def _script_content(words: Language) -> Mapping[str, Any]:
    """What static/words.js reads from the page."""
    return {"messages": words.script_words(), "units": {code: symbol(code, words.code) for code in sorted(UNITS)}}
