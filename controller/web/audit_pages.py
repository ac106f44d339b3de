"""The audit log for who may read it: searched page by page, and as a file with the hashes of its chain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from sqlmodel import Session

from controller.identity import audit_search, store
from controller.identity.audit_search import Sealed, Search
from controller.identity.policy import Permission, Principal
from controller.identity.seals import Line
from controller.scheduling.school_time import instant
from controller.services import Services
from controller.web.access import allowed
from controller.web.audit_view import Reader, csv_lines, json_lines
from controller.web.audit_words import action_words
from controller.web.frame import language_of, render
from controller.web.people_view import tabs
from controller.web.signin import address

Auditor = Annotated[Principal, Depends(allowed(Permission.VIEW_AUDIT))]
PAGE: Final = 50
_DAY: Final = timedelta(days=1)
_KINDS: Final[Mapping[str, str]] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the page's form, as they were filled in. What is no date is left out."""

    who: Annotated[str, Query(max_length=128)] = ""
    what: Annotated[str, Query(max_length=40)] = ""
    subject: Annotated[str, Query(max_length=200)] = ""
    school: Annotated[str, Query(max_length=63)] = ""
    first: Annotated[str, Query(alias="from", max_length=10)] = ""
    last: Annotated[str, Query(alias="to", max_length=10)] = ""

    def search(self, services: Services) -> Search:
        first, last = _day(self.first), _day(self.last)
        zone = services.office.zone
        return Search(
            self.who.strip(),
            self.what,
            self.subject.strip(),
            self.school,
            None if first is None else instant(first, time(), zone),
            None if last is None else instant(last + _DAY, time(), zone),
        )

    @property
    def query(self) -> str:
        """As it stands in an address."""
        return urlencode(self._filled)

    @property
    def narrowed_by(self) -> str:
        """Which fields were filled in, not with what: a name in the log could never be erased."""
        return " ".join(self._filled)

    @property
    def _filled(self) -> Mapping[str, str]:
        fields = {"who": self.who, "what": self.what, "subject": self.subject, "school": self.school}
        dates = {"from": self.first, "to": self.last}
        return {name: value for name, value in (fields | dates).items() if value}


Fields = Annotated[Asked, Depends()]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("/audit")
    def page(
        request: Request, who: Auditor, asked: Fields, before: Annotated[int | None, Query(ge=1, le=2**31)] = None
    ) -> Response:
        words = language_of(request)
        found = audit_search.newest(services.engine, who.scope, asked.search(services), PAGE, before)
        schools = {each.id: each.name for each in services.live.schools(who.scope)}
        reader = Reader(words, services.now_ms(), _people(services, found.lines), schools)
        values = {
            "tabs": tabs(who, request.url.path, words),
            "rows": [reader.row(line) for line in found.lines],
            "asked": asked,
            "actions": sorted(((name, str(text)) for name, text in action_words(words).items()), key=lambda e: e[1]),
            "schools": schools,
            "older": f"/audit?{asked.query}&before={found.older}" if found.older else "",
            "newest": f"/audit?{asked.query}" if before else "",
        }
        return render(services, request, "audit.html", values)

    @routes.get("/audit.{kind}")
    def export(request: Request, who: Auditor, kind: str, asked: Fields) -> Response:
        if kind not in _KINDS:
            raise HTTPException(404, "no such export")
        search = asked.search(services)
        with Session(services.engine) as db:
            told = f"{kind} {asked.narrowed_by}".rstrip()
            store.audit(db, services.now_ms(), "audit-export", actor=who.id, school_id=who.school_id,
                        address=address(request), detail=told)  # fmt: skip
            db.commit()
        pieces = _pieces(services, who, search)
        text = csv_lines(pieces, language_of(request)) if kind == "csv" else json_lines(pieces)
        headers = {"Content-Disposition": f'attachment; filename="fabfleet-audit.{kind}"'}
        return StreamingResponse(text, media_type=_KINDS[kind], headers=headers)

    return routes


def _pieces(
    services: Services, who: Principal, search: Search
) -> Iterator[tuple[Sequence[Line], Sequence[Sealed], Mapping[str, str]]]:
    for lines in audit_search.in_order(services.engine, who.scope, search):
        yield lines, audit_search.seals_over(services.engine, lines), _people(services, lines)


def _people(services: Services, lines: Sequence[Line]) -> Mapping[str, str]:
    ids = {person for line in lines for person in (line.actor, line.subject)} - {""}
    return audit_search.names(services.engine, ids)


def _day(text: str) -> date | None:
    """Between the years in which instants can be counted."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 < found.year < 9000 else None
