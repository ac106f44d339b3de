"""What the page of kits shows, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controller.scheduling.kit_pools import LackState, Pool
from controller.scheduling.kits import KitFault, WrongKit
from controller.scheduling.office import Office
from controller.scheduling.school_time import SchoolYear
from controller.web.admin_form import Option
from controller.web.booking_words import capital, when_words
from controller.web.i18n import Language

LACK_ROWS: Final = 3
"""So many kinds of damage are told when kits are brought back; more are told at the next ones."""


@dataclass(frozen=True, slots=True)
class Due:
    """A booking that kits may be taken out for."""

    id: str
    text: str
    kits: int


@dataclass(frozen=True, slots=True)
class Out:
    """Kits that are with somebody."""

    id: int
    kits: str
    text: str
    overdue: bool
    mine: bool


@dataclass(frozen=True, slots=True)
class LackView:
    """What is out of use."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class PoolView:
    """`school` is empty for who sees one school alone, `rest` if nothing is done between two classes."""

    id: int
    name: str
    school: str
    count: str
    warnings: tuple[str, ...]
    due: tuple[Due, ...]
    outs: tuple[Out, ...]
    lacks: tuple[LackView, ...]
    parts: tuple[Option, ...]
    parts_text: str
    rest: str


def pool_views(
    pools: Sequence[Pool], schools: Mapping[str, str], office: Office, words: Language
) -> tuple[PoolView, ...]:
    """`schools` are the names of those that the reader sees."""
    day = office.today()
    years = {each: office.year(each, day) for each in {pool.school_id for pool in pools}}
    named = schools if len(schools) > 1 else {}
    return tuple(_pool(each, named.get(each.school_id, ""), years[each.school_id], words) for each in pools)


def done_words(done: str, words: Language) -> str:
    """What a note says of what was just done; empty for nothing."""
    return {
        "out": words.t("The kits were taken out."),
        "back": words.t("The kits are back."),
        "mended": words.t("The kits can be used again."),
        "parts": words.t("The list of parts was saved."),
    }.get(done, "")


def wrong_words(wrong: WrongKit, words: Language) -> str:
    match wrong.fault:
        case KitFault.TOO_MANY if wrong.most > 0:
            return words.t("Write a number from 1 to {most}.", most=wrong.most)
        case KitFault.TOO_MANY:
            return words.t("No kit is left.")
        case KitFault.NOT_NOW:
            return words.t("Choose a booking that is now or soon.")
        case KitFault.BACK_ALREADY:
            return words.t("These kits are back already.")
        case KitFault.NO_PART:
            return words.t("Name each part once: at most 40 parts, each of at most 64 letters, 1 to 999 in a kit.")


def _pool(pool: Pool, school: str, year: SchoolYear, words: Language) -> PoolView:
    warnings = []
    if pool.unusable:
        warnings.append(
            words.tn(
                "{n} kit is out of use until it is mended.",
                "{n} kits are out of use until they are mended.",
                pool.unusable,
            )
        )
    if pool.short:
        warnings.append(
            words.tn(
                "Bookings ahead want {n} kit more than there is.",
                "Bookings ahead want {n} kits more than there are.",
                pool.short,
            )
        )
    return PoolView(
        id=pool.id,
        name=pool.name,
        school=school,
        count=words.t("{here} of {usable} kits are here", here=pool.usable - pool.out, usable=pool.usable),
        warnings=tuple(warnings),
        due=tuple(
            Due(
                each.booking_id,
                _about(each.title, each.holder, range(each.start_ms, each.end_ms), year, words),
                each.kits,
            )
            for each in pool.due
        ),
        outs=tuple(
            Out(
                each.id,
                words.tn("{n} kit", "{n} kits", each.kits),
                " · ".join(filter(None, (each.title, each.holder))),
                each.overdue,
                each.mine,
            )
            for each in pool.outs
        ),
        lacks=tuple(LackView(each.id, _lack(each.part, each.state, each.kits, words)) for each in pool.lacks),
        parts=(Option("", words.t("The whole kit")), *(Option(each.name, each.name) for each in pool.parts)),
        parts_text="\n".join(f"{each.count} x {each.name}" for each in pool.parts),
        rest=_rest(pool, words),
    )


def _rest(pool: Pool, words: Language) -> str:
    if not pool.rest_min:
        return ""
    return words.t(
        "Between two classes: {charge} min of charging and {hygiene} min of hygiene at the same time; ready {rest} min"
        " after they are back.",
        charge=pool.charge_min,
        hygiene=pool.hygiene_min,
        rest=pool.rest_min,
    )


def _about(title: str, holder: str, span_ms: range, year: SchoolYear, words: Language) -> str:
    when = capital(when_words(span_ms, year, words)).striptags()
    return " · ".join(filter(None, (title, holder, when)))


def _lack(part: str, state: LackState, kits: int, words: Language) -> str:
    count = words.tn("{n} kit", "{n} kits", kits)
    what = part or words.t("The whole kit")
    told = words.t("broken") if state is LackState.BROKEN else words.t("missing")
    return f"{count}: {what}, {told}"
