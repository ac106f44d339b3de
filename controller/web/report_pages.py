"""The reports: how long machines were booked and really used."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from controller.identity.policy import Permission, Principal
from controller.scheduling.hours_store import Line, lines
from controller.services import Services
from controller.web.access import allowed
from controller.web.frame import language_of, render
from controller.web.report_view import Range, Span, file_name, report_csv, report_page, span_of

Wanted = Annotated[Range, Query(alias="range")]
Reader = Annotated[Principal, Depends(allowed(Permission.VIEW_REPORTS))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("/reports/use")
    def use(request: Request, who: Reader, wanted: Wanted = Range.WEEK) -> Response:
        words = language_of(request)
        span, found = _read(services, request, who, wanted)
        return render(services, request, "report_use.html", {"view": report_page(wanted, span, found, words)})

    @routes.get("/reports/use.csv")
    def use_csv(request: Request, who: Reader, wanted: Wanted = Range.WEEK) -> Response:
        span, found = _read(services, request, who, wanted)
        headers = {"Content-Disposition": f'attachment; filename="{file_name(span)}"'}
        return Response(report_csv(found, language_of(request)), media_type="text/csv; charset=utf-8", headers=headers)

    return routes


def _read(services: Services, request: Request, who: Principal, wanted: Range) -> tuple[Span, list[Line]]:
    """Terms are those of the reader's school; for the whole cluster those of its first one."""
    office = services.office
    today = office.today()
    schools = sorted(school.id for school in services.live.schools(who.scope))
    year = office.year(who.school_id or (schools[0] if schools else ""), today)
    span = span_of(wanted, today, year, language_of(request))
    found = lines(services.engine, who.scope, span.instants(office.zone), services.now_ms())
    return span, list(found)
