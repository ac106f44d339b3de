"""What the pages of people show."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from controller.fleet.picture import SchoolRow
from controller.identity.people import PersonLine, PersonView
from controller.identity.policy import Permission, Principal, Role, may
from controller.identity.tables import ApiToken, OidcLink, UserSession
from controller.identity.tokens import grantable
from controller.web.admin_form import Field, Option
from controller.web.formats import clock, date_time
from controller.web.frame import role_word
from controller.web.i18n import Language
from controller.web.people_words import permission_word
from controller.web.planning import Tab

CLUSTER: Final = "*"
"""In the place of a school's id: the whole cluster."""
_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
"""What stands in the name of each; those that call themselves by others' names as well come first."""


@dataclass(frozen=True, slots=True)
class PersonEntry:
    """`state` and `icon` are the badge's; `mark` its word, empty for who can just sign in."""

    href: str
    name: str
    login: str
    role: str
    school: str
    mark: str = ""
    state: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """Where somebody is signed in. `key` names it to us and is of no use to anybody else."""

    key: str
    since: str
    where: str
    seen_ms: int
    here: bool


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """`owner` is empty among one's own; `ended`: it has run out."""

    id: str
    name: str
    owner: str
    good_for: str
    until: str
    ended: bool
    used_ms: int | None


@dataclass(frozen=True, slots=True)
class LinkEntry:
    issuer: str
    subject: str
    provider: str
    email: str


@dataclass(frozen=True, slots=True)
class ResetPage:
    """A link that was just made, to hand over."""

    name: str
    address: str
    until: str
    qr: Markup
    back: str
    only_here: bool


def tabs(who: Principal, path: str, words: Language) -> Sequence[Tab]:
    """None for somebody who only has the audit log: it is an entry of the navigation then."""
    if not may(who, Permission.MANAGE_USERS):
        return ()
    pages = [("/people", words.t("People")), ("/people/tokens", words.t("Tokens for programs"))]
    if may(who, Permission.SET_RIGHTS):
        pages.append(("/people/rights", words.t("Permissions at machines")))
    pages.append(("/privacy/people", words.t("People’s data")))
    if may(who, Permission.VIEW_AUDIT):
        pages.append(("/audit", words.t("Audit")))
    mine = next((href for href, _ in pages[1:] if path.startswith(href)), "/people")
    return [Tab(href, str(text), href == mine) for href, text in pages]


def entry(line: PersonLine, schools: Mapping[str, str], words: Language) -> PersonEntry:
    """The one state that matters most stands beside the name."""
    mark, state, icon = "", "", ""
    if line.waiting:
        mark, state, icon = words.t("Waits to be let in"), "warning", "hourglass"
    elif line.disabled:
        mark, state, icon = words.t("Disabled"), "offline", "ban"
    elif line.locked_ms is not None:
        mark, state, icon = words.t("Locked until {time}", time=clock(line.locked_ms)), "warning", "lock"
    return PersonEntry(
        href=f"/people/{line.id}",
        name=line.name,
        login=line.login,
        role=role_word(line.role, words),
        school=schools.get(line.school_id or "", "") or words.t("Whole cluster"),
        mark=mark,
        state=state,
        icon=icon,
    )


def detail_fields(
    values: Mapping[str, str],
    problems: Mapping[str, str],
    who: Principal,
    schools: Iterable[SchoolRow],
    words: Language,
) -> Sequence[Field]:
    places = [Option(each.id, each.name) for each in schools]
    if who.scope.school_id is None:
        places.insert(0, Option(CLUSTER, words.t("Whole cluster")))
    roles = [Option(role.value, role_word(role, words)) for role in Role]

    def one(name: str, label: str, kind: str, *options: Option, most: int = 128) -> Field:
        problem = problems.get(name, "")
        return Field(
            name, label, values.get(name, ""), kind, problem=problem, options=options, most=most, required=True
        )

    return (
        one("name", words.t("Full name"), "text"),
        one("role", words.t("Role"), "select", *roles),
        one("school", words.t("School"), "select", *places),
    )


def detail_values(line: PersonLine) -> Mapping[str, str]:
    return {"name": line.name, "role": line.role.value, "school": line.school_id or CLUSTER}


def session_entries(
    found: Iterable[UserSession], words: Language, now_ms: int, here: str = ""
) -> Sequence[SessionEntry]:
    """`here` is the digest of the reader's own."""
    return [
        SessionEntry(
            key=each.token_hash,
            since=words.t("Signed in at {time}", time=date_time(each.created_ms, now_ms, words)),
            where=" · ".join(filter(None, (client_word(each.client), each.address, each.provider))),
            seen_ms=each.seen_ms,
            here=each.token_hash == here,
        )
        for each in found
    ]


def client_word(client: str) -> str:
    """What a browser calls itself, in two words: Chrome, Windows."""
    found = [next((word for part, word in kinds if part in client), "") for kinds in (_BROWSERS, _SYSTEMS)]
    return ", ".join(filter(None, found)) or re.sub(r"[^\w. /-]", "", client)[:40]


def token_entry(token: ApiToken, words: Language, now_ms: int, owner: str = "") -> TokenEntry:
    good: str = words.t("All that the owner may do")
    if token.permissions is not None:
        kept = token.permissions.split()
        good = ", ".join(permission_word(each, words) for each in Permission if each in kept)
    if token.read_only:
        good = words.t("Reading only: {what}", what=good)
    until = words.t("does not run out")
    if token.expires_ms is not None:
        until = words.t("until {day}", day=date_time(token.expires_ms, now_ms, words))
    ended = token.expires_ms is not None and token.expires_ms <= now_ms
    return TokenEntry(token.id, token.name, owner, good, until, ended, token.used_ms)


def token_fields(
    owner: Principal, given: Mapping[str, str], problems: Mapping[str, str], words: Language
) -> tuple[Sequence[Field], Sequence[Field]]:
    """The fields of a new token, and the boxes of what it is good for."""
    read_only = "on" if not given or given.get("read-only") else ""

    def one(name: str, label: str, value: str, kind: str, fault: str) -> Field:
        return Field(name, label, value, kind, problem=problems.get(fault, ""), required=True)

    texts = (
        one("token-name", words.t("What it is for"), given.get("token-name", ""), "text", "name"),
        one("days", words.t("Days until it ends"), given.get("days", "90"), "number", "days"),
        Field("read-only", words.t("For reading only"), read_only, "checkbox"),
    )
    boxes = [
        Field(f"may-{each.value}", permission_word(each, words), given.get(f"may-{each.value}", ""), "checkbox")
        for each in grantable(owner)
    ]
    return texts, boxes


def link_entries(found: Iterable[OidcLink], names: Mapping[str, str]) -> Sequence[LinkEntry]:
    """`names` of providers by their issuers."""
    return [LinkEntry(each.issuer, each.subject, names.get(each.issuer, each.issuer), each.email) for each in found]


def deeds(view: PersonView, who: Principal) -> Collection[str]:
    """What can be done to an account now, by the names of the buttons."""
    found = {"reset", "end-sessions"} if not view.line.disabled else set()
    if view.line.locked_ms is not None:
        found.add("unlock")
    if view.line.waiting:
        return {"enable", "join", "disable"}
    if view.line.id != who.id:
        found.add("enable" if view.line.disabled else "disable")
    return found
