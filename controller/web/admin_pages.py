"""The planning pages: school time, rooms and machines, and here what limits bookings and who is certified."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from controller.api.ids import RowId
from controller.scheduling.entries import (
    MOST_HAZARD,
    NoSuchEntry,
    RemoveCertificate,
    WriteCertificate,
    WriteLimits,
    WrongEntry,
)
from controller.scheduling.inventory import Holding
from controller.scheduling.policy import Limits
from controller.scheduling.school_time import instant
from controller.services import Services
from controller.web import thing_pages, thing_view, time_pages
from controller.web.admin_form import Field, Filled, Option
from controller.web.admin_words import fault_words
from controller.web.booking_words import date_words
from controller.web.planning import Planner, Planning, see
from controller.web.visit import Form

_NOTHING: Final[Mapping[str, str]] = {}
_DAY: Final = timedelta(days=1)


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_limits(routes, services)
    _add_certificates(routes, services)
    routes.include_router(time_pages.router(services))
    routes.include_router(thing_pages.router(services))
    return routes


def _add_limits(routes: APIRouter, services: Services) -> None:
    @routes.get("/admin/limits")
    def limits(request: Request, who: Planner, school: str = "", saved: str = "") -> Response:
        planning = Planning(services, request, who)
        school_id = planning.school(school).id
        stored = services.stocktaking.inventory(who, school_id).limits
        return _limits_page(planning, school_id, thing_view.limit_values(stored), saved=bool(saved))

    @routes.post("/admin/limits")
    def save(request: Request, who: Planner, given: Form) -> Response:
        planning = Planning(services, request, who)
        school_id = planning.school(given.get("school", "-")).id
        filled = Filled(given, planning.words)
        try:
            entry = _limits(filled, school_id)
            if filled.problems:
                return _limits_page(planning, school_id, given, filled.problems)
            services.stocktaking.change(who, [entry])
        except WrongEntry as wrong:
            return _limits_page(planning, school_id, given, {wrong.field: fault_words(wrong, planning.words)})
        return see(f"/admin/limits?school={school_id}&saved=yes")


def _add_certificates(routes: APIRouter, services: Services) -> None:
    @routes.get("/admin/certificates")
    def certificates(request: Request, who: Planner) -> Response:
        return _certificates_page(Planning(services, request, who))

    @routes.post("/admin/certificates")
    def give(request: Request, who: Planner, given: Form) -> Response:
        planning = Planning(services, request, who)
        filled = Filled(given, planning.words)
        until_ms = None
        if filled.has("until"):
            last = filled.day("until")
            if filled.problems:
                return _certificates_page(planning, given, filled.problems)
            until_ms = instant(last + _DAY, time(0), services.office.zone)
        try:
            services.stocktaking.change(
                who, [WriteCertificate(given.get("user_id", ""), filled.text("name"), until_ms)]
            )
        except WrongEntry as wrong:
            return _certificates_page(planning, given, {wrong.field: fault_words(wrong, planning.words)})
        return see("/admin/certificates")

    @routes.post("/admin/certificates/{certificate_id}/remove")
    def take_back(who: Planner, certificate_id: RowId) -> Response:
        try:
            services.stocktaking.change(who, [RemoveCertificate(certificate_id)])
        except NoSuchEntry:
            raise HTTPException(404, "no such certificate") from None
        return see("/admin/certificates")


def _limits(filled: Filled, school_id: str) -> WriteLimits:
    """Raises WrongEntry."""
    rules = Limits(
        notice_days=filled.whole("notice_days"),
        furthest_days=filled.whole("furthest_days"),
        shortest_min=filled.whole("shortest_min"),
        longest_min=filled.whole("longest_min"),
        person_week=filled.maybe("person_week"),
        school_week=filled.maybe("school_week"),
        pupils_per_adult=tuple(filled.whole(f"pupils-{at}") for at in range(MOST_HAZARD + 1)),
        soon_h=filled.whole("soon_h"),
    )
    return WriteLimits(school_id, rules, filled.whole("no_show_min"), filled.whole("request_h"))


def _limits_page(
    planning: Planning,
    school_id: str,
    values: Mapping[str, str],
    problems: Mapping[str, str] = _NOTHING,
    *,
    saved: bool = False,
) -> HTMLResponse:
    return planning.render(
        "admin_limits.html",
        status=422 if problems else 200,
        school_id=school_id,
        school=planning.school(school_id),
        schools=planning.schools,
        fields=thing_view.limit_fields(values, problems, planning.words),
        problems=problems,
        saved=saved,
    )


def _certificates_page(
    planning: Planning, given: Mapping[str, str] = _NOTHING, problems: Mapping[str, str] = _NOTHING
) -> HTMLResponse:
    words = planning.words
    found = planning.services.stocktaking.holders(planning.who)

    def one(name: str, label: str, kind: str, *options: Option, hint: str = "", required: bool = True) -> Field:
        problem = problems.get(name, "")
        return Field(name, label, given.get(name, ""), kind, hint, problem, options, most=63, required=required)

    people = (Option(user_id, name) for user_id, name in found.people)
    hint = words.t("Left empty: it does not run out. Else the last day on which it counts.")
    return planning.render(
        "admin_certificates.html",
        status=422 if problems else 200,
        held=[(each, _until(each, planning)) for each in found.held],
        fields=(
            one("user_id", words.t("Who"), "select", *people),
            one("name", words.t("Certificate"), "text", hint=words.t("By the name that the machine asks for.")),
            one("until", words.t("Until"), "date", hint=hint, required=False),
        ),
        problems=problems,
    )


def _until(held: Holding, planning: Planning) -> str:
    until_ms = held.certificate.until_ms
    if until_ms is None:
        return planning.words.t("does not run out")
    last = datetime.fromtimestamp((until_ms - 1) / 1000, planning.services.office.zone).date()
    return planning.words.t("until {day}", day=date_words(last, planning.words, year=True))
