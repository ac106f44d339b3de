"""Who may ask which class of machine for what: the table that an administrator narrows or widens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from controller.commands.policy import Bound, Rule, Rules, allows, bound, by_default
from controller.commands.rights import kinds
from controller.identity.policy import Permission, Principal, Role
from controller.services import Services
from controller.web import people_view
from controller.web.access import seated_with
from controller.web.frame import language_of, render, role_word
from controller.web.i18n import Language
from controller.web.people_words import family_word
from controller.web.planning import see
from controller.web.views import words as said
from controller.web.visit import Form

Keeper = Annotated[Principal, Depends(seated_with(Permission.SET_RIGHTS))]
ROLES: Final = (Role.TEACHER, Role.COORDINATOR, Role.TECHNICIAN)
"""Those of whom anything can be set. Administrators do everything, auditors nothing."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Of one role at one action. `name` is the field's, empty if it cannot be set; `changed`: it is not the default."""

    role: str
    name: str
    allowed: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Row:
    action: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Family:
    id: str
    name: str
    rows: Sequence[Row]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("/people/rights")
    def rights(request: Request, who: Keeper, saved: str = "") -> Response:
        words = language_of(request)
        values = {
            "tabs": people_view.tabs(who, request.url.path, words),
            "roles": [role_word(role, words) for role in ROLES],
            "families": families(services.rights.rules(), words),
            "saved": saved,
        }
        return render(services, request, "rights.html", values)

    @routes.post("/people/rights")
    def save(who: Keeper, given: Form) -> Response:
        """Those of one class of machine: a box that was not ticked is not sent."""
        family = next((kind.family for kind in kinds() if kind.family == given.get("family")), "")
        services.rights.set(who, _asked(family, given))
        return see(f"/people/rights?saved={family}#{family}")

    return routes


def families(rules: Rules, words: Language) -> Sequence[Family]:
    """Every class of machine that has actions, with what each role may ask for."""
    found = []
    for family, those in groupby(kinds(), key=lambda kind: kind.family):
        rows = []
        for kind in those:
            cells = []
            for role in ROLES:
                allowed = allows(rules, role, family, kind.action)
                free = bound(role, family, kind.action) is Bound.FREE
                changed = allowed is not by_default(role, family, kind.action) and free
                cells.append(
                    Cell(role_word(role, words), _name(role, kind.action.name) if free else "", allowed, changed)
                )
            rows.append(Row(said(kind.action.label, words), cells))
        found.append(Family(family, family_word(family, words), rows))
    return found


def _asked(family: str, given: Mapping[str, str]) -> Mapping[Rule, bool]:
    mine = [kind for kind in kinds() if kind.family == family]
    return {
        Rule(role, family, kind.action.name): bool(given.get(_name(role, kind.action.name)))
        for kind in mine
        for role in ROLES
    }


def _name(role: Role, action: str) -> str:
    return f"{role.value}:{action}"
