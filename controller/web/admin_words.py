"""Why a calendar or an entry of a stocktaking cannot be, in words beside the field that is to be mended."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from markupsafe import Markup

from controller.scheduling.entries import Fault, WrongEntry
from controller.scheduling.school_time import Flaw, Half, Place, SchoolTimeError
from controller.web.i18n import Language, number

_SayFlaw: TypeAlias = Callable[[Language, SchoolTimeError], Markup]
_SayFault: TypeAlias = Callable[[Language, WrongEntry], Markup]

_FLAWS: Final[Mapping[Flaw, _SayFlaw]] = {
    Flaw.PERIOD_BACKWARDS: lambda words, wrong: words.t(
        "{period} ends before it begins.", period=place_words(wrong.periods[0], words)
    ),
    Flaw.PERIOD_NUMBER: lambda words, _: words.t("Periods are numbered from 1."),
    Flaw.PERIOD_GRAIN: lambda words, wrong: words.t(
        "{period} begins and ends at full five minutes.", period=place_words(wrong.periods[0], words)
    ),
    Flaw.PERIODS_OVERLAP: lambda words, wrong: words.t(
        "{before} and {after} overlap.",
        before=place_words(wrong.periods[0], words),
        after=place_words(wrong.periods[1], words),
    ),
    Flaw.PERIOD_TWICE: lambda words, wrong: words.t(
        "{period} is there twice.", period=place_words(wrong.periods[0], words)
    ),
    Flaw.BELLS_BACKWARDS: lambda words, _: words.t("The last day comes before the first."),
    Flaw.BELLS_TIED: lambda words, wrong: words.t(
        "“{one}” and “{other}” begin on one day and share a weekday: take it out of one, or let one begin later.",
        one=wrong.names[0],
        other=wrong.names[1],
    ),
    Flaw.WEEKDAY: lambda words, _: words.t("Choose a weekday."),
    Flaw.TERM_BACKWARDS: lambda words, _: words.t("The last day comes before the first."),
    Flaw.TERMS_OVERLAP: lambda words, wrong: words.t(
        "“{one}” and “{other}” overlap.", one=wrong.names[0], other=wrong.names[1]
    ),
    Flaw.HOLIDAY_BACKWARDS: lambda words, _: words.t("The last day comes before the first."),
    Flaw.MAKE_UP_TWICE: lambda words, _: words.t("This day is made up already."),
    Flaw.NAME: lambda words, _: words.t("Write a name, of at most 64 letters; a school year's has at most 32."),
    Flaw.NAME_TWICE: lambda words, wrong: words.t("“{name}” is there already.", name=wrong.names[0]),
    Flaw.HOURS_BACKWARDS: lambda words, _: words.t("It closes before it opens."),
    Flaw.ZONE: lambda words, _: words.t("The server's time zone is not complete."),
}
_FIELDS: Final[Mapping[Flaw, str]] = {
    Flaw.BELLS_BACKWARDS: "last",
    Flaw.BELLS_TIED: "first",
    Flaw.WEEKDAY: "weekdays",
    Flaw.TERM_BACKWARDS: "last",
    Flaw.TERMS_OVERLAP: "first",
    Flaw.HOLIDAY_BACKWARDS: "last",
    Flaw.MAKE_UP_TWICE: "day",
    Flaw.NAME: "name",
    Flaw.NAME_TWICE: "name",
}
"""Of the others the fields are those of their last period."""

_FAULTS: Final[Mapping[Fault, _SayFault]] = {
    Fault.MISSING: lambda words, _: words.t("Fill this in."),
    Fault.TOO_LONG: lambda words, wrong: words.tn("At most {n} letter.", "At most {n} letters.", wrong.most),
    Fault.OUT_OF_RANGE: lambda words, wrong: words.t(
        "From {least} to {most}.", least=number(wrong.least, words.code), most=number(wrong.most, words.code)
    ),
    Fault.NOT_A_CODE: lambda words, _: words.t(
        "At most 8 capital letters and digits, without 0, O, 1 and I, which look alike."
    ),
    Fault.CODE_TAKEN: lambda words, _: words.t("This code stands on another label."),
    Fault.NOT_HERE: lambda words, _: words.t("This is not at the school, or does not go with this kind."),
    Fault.DEVICE_TAKEN: lambda words, wrong: words.t("This device is behind “{name}”.", name=wrong.name),
    Fault.KIND_FIXED: lambda words, _: words.t("It was booked as what it is; add the other kind as a new thing."),
    Fault.LOADED: lambda words, wrong: words.t(
        "Bookings ahead need {n} of it; fewer can be had once they are over, moved or cancelled.",
        n=number(wrong.least, words.code),
    ),
    Fault.OVERLOADED: lambda words, wrong: words.t(
        "With the bookings ahead “{name}” would carry {found} W; it carries at most {most} W.",
        name=wrong.name,
        found=number(wrong.found, words.code),
        most=number(wrong.most, words.code),
    ),
    Fault.STILL_BOOKED: lambda words, wrong: words.tn(
        "{n} booking ahead has it: move or cancel it first.",
        "{n} bookings ahead have it: move or cancel them first.",
        len(wrong.bookings),
    ),
    Fault.STILL_WIRED: lambda words, wrong: words.t("“{name}” hangs on it: change that first.", name=wrong.name),
    Fault.BACKWARDS: lambda words, _: words.t("The last day comes before the first."),
    Fault.OVERLAP: lambda words, _: words.t("These hours overlap."),
}


def flaw_words(wrong: SchoolTimeError, words: Language) -> str:
    return _FLAWS[wrong.flaw](words, wrong)


def flaw_field(wrong: SchoolTimeError) -> str:
    """The name of the field that is to be mended."""
    if wrong.periods:
        return period_field(wrong.periods[-1])
    return _FIELDS.get(wrong.flaw, "name")


def fault_words(wrong: WrongEntry, words: Language) -> str:
    return _FAULTS[wrong.fault](words, wrong)


def period_field(place: Place) -> str:
    half, number = place
    return f"{half}-{number}"


def place_words(place: Place, words: Language) -> Markup:
    half, number = place
    if half is Half.AFTERNOON:
        return words.t("Afternoon period {n}", n=number)
    return words.t("Period {n}", n=number)
