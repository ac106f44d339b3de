"""Importing tables: send one, look at what it would change, have it so. Works without scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.api.uploads import BadForm, FormReader
from controller.services import Services
from controller.timetable import sheets
from controller.timetable.errors import NoSuchYear
from controller.timetable.importer import Done, Importer, Preview, Stale, Task
from controller.timetable.layouts import LAYOUTS, Kind
from controller.timetable.sheets import NotATable
from controller.timetable.tray import Sent, Tray
from controller.web import import_view
from controller.web.access import Asker
from controller.web.i18n import LANGUAGES
from controller.web.import_words import unreadable_words
from controller.web.planning import Planner, Planning
from controller.web.security import SHEETS
from controller.web.visit import Form

_MOST_NAME: Final = 120
_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class SentForm:
    """The form with a file, as it came."""

    kind: str
    school: str
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that was sent under `token`, and what is to be done with it."""

    token: str
    name: str
    task: Task


async def sent_form(request: Request, _who: Asker) -> SentForm:
    """Raises HTTPException 400."""
    try:
        reader = FormReader(request.headers.get("content-type", ""))
        content = reader.feed(await request.body())
        reader.finish()
    except BadForm as error:
        raise HTTPException(400, str(error)) from None
    name = (reader.file_name or "").replace("\\", "/").rpartition("/")[2][:_MOST_NAME]
    return SentForm(reader.fields.get("kind", ""), reader.fields.get("school", ""), name, content)


Drops: TypeAlias = Annotated[list[str], Query(default_factory=list)]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    imports = Imports(services)
    _add_sending(routes, imports)
    _add_templates(routes, imports)
    _add_looking(routes, imports)
    return routes


class Imports:
    """What the pages have in common."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.tray = Tray(services.config.folder / "imports", services.now_ms)
        self.importer = Importer(
            services.engine,
            services.timetables,
            services.stocktaking,
            services.office,
            now_ms=services.now_ms,
            changed=services.stocktaking.changed,
        )

    def form(self, planning: Planning, school_id: str, kind: str = "", problem: str = "") -> HTMLResponse:
        school = planning.school(school_id)
        return planning.render(
            "import.html",
            status=422 if problem else 200,
            school_id=school.id,
            school=school,
            schools=planning.schools,
            kinds=import_view.kinds(kind, planning.words),
            problem=problem,
        )

    def waiting(self, planning: Planning, token: str, drop: Sequence[str] = ()) -> Waiting:
        """Raises HTTPException 404."""
        sent = self.tray.find(token, planning.who.id)
        if sent is None:
            raise HTTPException(404, "this file is here no more")
        task = Task(sent.school_id, Kind(sent.kind), sheets.read(sent.content), frozenset(drop))
        return Waiting(token, sent.name, task)

    def look(self, planning: Planning, waiting: Waiting) -> Preview:
        """Raises HTTPException 404."""
        try:
            return self.importer.look(planning.who, waiting.task)
        except NoSuchYear:
            raise HTTPException(404, "no such school") from None

    def page(
        self, planning: Planning, waiting: Waiting, preview: Preview, *, whole: bool = False, stale: bool = False
    ) -> HTMLResponse:
        task, here = waiting.task, f"{SHEETS}/{waiting.token}"
        drops = [("drop", each) for each in sorted(task.drop)]
        names, words = self.names(planning), planning.words
        return planning.render(
            "import_preview.html",
            status=409 if stale else 200,
            school_id=task.school_id,
            school=planning.school(task.school_id),
            view=import_view.preview_page(waiting.name, task, preview, names, words, whole=whole),
            concerned=planning.told(preview.concerned),
            concerns=len(preview.concerned),
            stale=stale,
            here=here,
            apply=f"{here}?{urlencode(drops)}",
            whole=f"{here}?{urlencode([*drops, ('all', 'yes')])}",
        )

    def done(self, planning: Planning, waiting: Waiting, done: Done) -> HTMLResponse:
        school_id = waiting.task.school_id
        view = import_view.done_page(waiting.name, waiting.task, done, self.names(planning), planning.words)
        return planning.render("import_done.html", school_id=school_id, view=view, to=f"{SHEETS}?school={school_id}")

    def names(self, planning: Planning) -> dict[int, str]:
        return {each.id: each.name for each in self.services.office.things(planning.who)}


def _add_sending(routes: APIRouter, imports: Imports) -> None:
    @routes.get(SHEETS)
    def form(request: Request, who: Planner, school: str = "", kind: str = "") -> Response:
        return imports.form(Planning(imports.services, request, who), school, kind)

    @routes.post(SHEETS)
    def send(request: Request, who: Planner, given: Annotated[SentForm, Depends(sent_form)]) -> Response:
        planning = Planning(imports.services, request, who)
        school_id = planning.school(given.school).id
        if given.kind not in set(Kind):
            raise HTTPException(422, "no such kind of table")
        try:
            sheets.read(given.content)
        except NotATable as refused:
            problem = unreadable_words(refused.why, planning.words)
            return imports.form(planning, school_id, given.kind, problem)
        token = imports.tray.put(Sent(who.id, school_id, given.kind, given.name, given.content))
        return RedirectResponse(f"{SHEETS}/{token}", 303)


def _add_templates(routes: APIRouter, imports: Imports) -> None:
    @routes.get(SHEETS + "/templates/{kind}.{suffix}")
    def template(request: Request, who: Planner, kind: str, suffix: str) -> Response:
        if kind not in set(Kind) or suffix not in _TYPES:
            raise HTTPException(404, "no such template")
        code = Planning(imports.services, request, who).words.code
        rows = LAYOUTS[Kind(kind)].template(code if code in LANGUAGES else LANGUAGES[0])
        return _file(f"fabfleet-{kind}.{suffix}", rows, code)

    @routes.get(SHEETS + "/{token}/faults.csv")
    def faults(request: Request, who: Planner, token: str) -> Response:
        """The heading and the rows at fault, to be mended and sent again."""
        planning = Planning(imports.services, request, who)
        waiting = imports.waiting(planning, token)
        sheet, bad = waiting.task.sheet, imports.look(planning, waiting).diff.bad_rows
        rows = [sheet.head.cells, *(each.cells for each in sheet.rows if each.number in bad)]
        stem = waiting.name.rpartition(".")[0] or waiting.name
        return _file(f"{stem}-loi.csv", rows, planning.words.code)


def _add_looking(routes: APIRouter, imports: Imports) -> None:
    @routes.get(SHEETS + "/{token}")
    def look(request: Request, who: Planner, token: str, drop: Drops, all: str = "") -> Response:  # noqa: A002
        planning = Planning(imports.services, request, who)
        waiting = imports.waiting(planning, token, drop)
        return imports.page(planning, waiting, imports.look(planning, waiting), whole=bool(all))

    @routes.post(SHEETS + "/{token}")
    def apply(request: Request, who: Planner, token: str, given: Form, drop: Drops) -> Response:
        planning = Planning(imports.services, request, who)
        waiting = imports.waiting(planning, token, drop)
        try:
            done = imports.importer.apply(who, waiting.task, given.get("digest", ""), token)
        except NoSuchYear:
            raise HTTPException(404, "no such school") from None
        except Stale as stale:
            return imports.page(planning, waiting, stale.preview, stale=True)
        imports.tray.remove(token)
        return imports.done(planning, waiting, done)


def _file(name: str, rows: Sequence[Sequence[str]], code: str) -> Response:
    """To be saved. A spreadsheet parts CSV by what its own language has."""
    suffix = name.rpartition(".")[2]
    content = sheets.write_xlsx(rows) if suffix == "xlsx" else sheets.write_csv(rows, ";" if code == "vi" else ",")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=_TYPES[suffix], headers=headers)
