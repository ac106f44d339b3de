"""What the page of settings calls settings, places, and how an agent stands."""

from collections.abc import Callable, Mapping
from typing import Final

from markupsafe import Markup

from contract.model import Kind, Value
from contract.settings import SETTINGS
from contract.units import symbol
from controller.desired.desk import AgentStand
from controller.desired.drift import Drift
from controller.desired.inheritance import Level
from controller.web import reason_words
from controller.web.formats import date_time
from controller.web.i18n import Language, number

LABELS: Final[Mapping[str, Callable[[Language], Markup]]] = {
    "flush_s": lambda words: words.t("Readings are sent at least every"),
    "outbox.budget_mb": lambda words: words.t("Room on the disk for what is not sent yet"),
    "outbox.kept_mb": lambda words: words.t("Room on the disk for what was sent"),
    "outbox.kept_h": lambda words: words.t("What was sent is kept for"),
    "files.budget_mb": lambda words: words.t("Room on the disk for job files"),
    "files.largest_mb": lambda words: words.t("Largest job file"),
    "broker.host": lambda words: words.t("Address of the message broker"),
    "broker.port": lambda words: words.t("Port of the message broker"),
    "broker.keepalive_s": lambda words: words.t("A sign of life to the broker every"),
    "broker.spread_s": lambda words: words.t("After an outage agents come back within"),
    "controller.url": lambda words: words.t("Address of the server"),
    "discovery.subnet": lambda words: words.t("Subnet in which devices are looked for"),
    "discovery.packets_s": lambda words: words.t("Packets a second while looking for devices"),
    "discovery.sweep_every_h": lambda words: words.t("Devices in the subnet are looked for every"),
    "discovery.hear_every_h": lambda words: words.t("Announcements in the network are listened to every"),
}


def label(key: str, words: Language) -> str:
    """A setting by its name; one of another release by its key."""
    return str(LABELS[key](words)) if key in LABELS else key


def value_words(key: str, value: Value, words: Language) -> str:
    """A value with its unit."""
    setting = SETTINGS.get(key)
    if isinstance(value, str) or setting is None or setting.unit == "1":
        return str(value)
    decimals = 0 if float(value).is_integer() else 2
    return f"{number(value, words.code, decimals)} {symbol(setting.unit, words.code)}"


def hint(key: str, words: Language) -> str:
    """What may stand in the field."""
    setting = SETTINGS[key]
    if setting.kind is Kind.TEXT:
        if key == "controller.url":
            return str(words.t("As in the browser: https://server:8443"))
        if key == "discovery.subnet":
            return str(words.t("Such as 10.20.3.0/24, at most a /22"))
        return str(words.t("A name or an IP address"))
    unit = "" if setting.unit == "1" else symbol(setting.unit, words.code)
    least, most = (number(each, words.code, 0 if float(each).is_integer() else 2) for each in _bounds(key))
    return str(words.t("{least} to {most} {unit}", least=least, most=most, unit=unit)).strip()


def _bounds(key: str) -> tuple[float, float]:
    return SETTINGS[key].least, SETTINGS[key].most


def wrong_words(key: str, words: Language) -> str:
    """Why a value cannot stand there."""
    if key not in SETTINGS:
        return str(words.t("No agent knows this setting."))
    what = label(key, words)
    if SETTINGS[key].kind is Kind.TEXT:
        return str(words.t("{what}: write an address.", what=what))
    return str(words.t("{what}: write a number, {range}.", what=what, range=hint(key, words)))


def level_word(level: Level, words: Language) -> str:
    return str(
        {
            Level.CLUSTER: words.t("Whole cluster"),
            Level.SCHOOL: words.t("School"),
            Level.ROOM: words.t("Room"),
            Level.AGENT: words.t("Agent"),
        }[level]
    )


def drift_word(drift: Drift, words: Language) -> str:
    return str(
        {
            Drift.UNTOLD: words.t("Its own settings"),
            Drift.IN_FORCE: words.t("Settings in force"),
            Drift.ON_ITS_WAY: words.t("Settings on their way"),
            Drift.OFFLINE: words.t("Settings wait: no connection"),
            Drift.REFUSED: words.t("Settings refused"),
            Drift.ROLLED_BACK: words.t("Settings rolled back"),
        }[drift]
    )


MOODS: Final[Mapping[Drift, tuple[str, str]]] = {
    Drift.UNTOLD: ("planned", "info-circle"),
    Drift.IN_FORCE: ("ok", "circle-check"),
    Drift.ON_ITS_WAY: ("in-use", "hourglass"),
    Drift.OFFLINE: ("offline", "circle-x"),
    Drift.REFUSED: ("fault", "ban"),
    Drift.ROLLED_BACK: ("warning", "alert-triangle"),
}
"""The state of ui.html's badges whose colour it has, and the icon."""


def why(stand: AgentStand, now_ms: int, words: Language) -> Markup:
    """What there is to say besides the word."""
    reason = reason_words.said(stand.said.reason, words) or stand.said.reason
    match stand.drift:
        case Drift.REFUSED:
            return words.t("The agent does not take them: {reason}", reason=reason)
        case Drift.ROLLED_BACK:
            return words.t("It went back to the former ones: {reason}", reason=reason)
        case Drift.OFFLINE if stand.since_ms:
            return words.t("Offline since {at}", at=date_time(stand.since_ms, now_ms, words))
        case Drift.ON_ITS_WAY if stand.said.on_trial:
            return words.t("The agent tries them and waits for the server's answer.")
    return Markup()
