"""What the planning pages share: who plans, for which school, and what is asked before bookings are touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from controller.fleet.picture import SchoolRow
from controller.identity.policy import Permission, Principal, may
from controller.scheduling.ahead import Ahead
from controller.services import Services
from controller.web.access import allowed
from controller.web.booking_words import capital, when_words
from controller.web.frame import language_of, render
from controller.web.i18n import Language

Planner: TypeAlias = Annotated[Principal, Depends(allowed(Permission.PLAN))]
AGREED: Final = "agreed"
"""The field that says: whatever it means for bookings."""
MOST_TOLD: Final = 50
"""So many bookings are listed."""


@dataclass(frozen=True, slots=True)
class Tab:
    href: str
    text: str
    current: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A booking that something happens to."""

    when: Markup
    holder: str
    title: str


@dataclass(frozen=True, slots=True)
class Planning:
    """Somebody plans. What is outside of their scope is answered with 404."""

    services: Services
    request: Request
    who: Principal

    @property
    def words(self) -> Language:
        return language_of(self.request)

    @property
    def schools(self) -> Sequence[SchoolRow]:
        return self.services.live.schools(self.who.scope)

    def school(self, school_id: str = "") -> SchoolRow:
        """That school; without an id the one that comes first."""
        for each in self.schools:
            if school_id in ("", each.id):
                return each
        raise HTTPException(404, "no such school")

    def told(self, bookings: Sequence[Ahead]) -> tuple[Told, ...]:
        office, words = self.services.office, self.words
        day = office.today()
        years = {each.school_id: office.year(each.school_id, day) for each in bookings[:MOST_TOLD]}
        return tuple(
            Told(capital(when_words(each.span_ms, years[each.school_id], words)), each.holder, each.title)
            for each in bookings[:MOST_TOLD]
        )

    def agree(self, title: Markup, bookings: Sequence[Ahead], given: Mapping[str, str], back: str) -> HTMLResponse:
        """Tell what a change means for bookings, and have it sent again with `AGREED`."""
        fields = {name: value for name, value in given.items() if name not in ("csrf", AGREED)}
        return self.render(
            "admin_agree.html",
            title=title,
            count=len(bookings),
            bookings=self.told(bookings),
            fields=fields,
            to=self.request.url.path,
            back=back,
        )

    def render(self, template: str, *, status: int = 200, school_id: str = "", **values: object) -> HTMLResponse:
        values = {"tabs": self._tabs(school_id), **values}
        return render(self.services, self.request, template, values, status=status)

    def _tabs(self, school_id: str) -> tuple[Tab, ...]:
        words, path = self.words, self.request.url.path.replace("/admin/rooms", "/admin/things")
        query = f"?school={school_id}" if school_id else ""
        pages: tuple[tuple[str, str], ...] = (
            ("/admin/time", words.t("School time")),
            ("/admin/things", words.t("Rooms and machines")),
            ("/kits", words.t("Kits")),
            ("/admin/limits", words.t("Booking limits")),
            ("/admin/certificates", words.t("Certificates")),
            ("/import", words.t("Import data")),
        )
        if may(self.who, Permission.MANAGE_USERS):
            pages = (*pages, ("/admin/notifications", words.t("Notifications")))
        return tuple(Tab(href + query, text, path.startswith(href)) for href, text in pages)


def see(href: str) -> Response:
    """Look at that page, now that it was done."""
    return RedirectResponse(href, 303)
