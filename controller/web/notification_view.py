"""The pages of notifications: a person's own settings, a channel to be added, and the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controller.notifications.channels import ChannelKind, Installation, parts
from controller.notifications.settings import ChannelView, DeliveryView, Health, SettingsView
from controller.notifications.states import DeliveryState, Result
from controller.web import notification_words as said
from controller.web.admin_form import Field, Option
from controller.web.formats import age, date_time
from controller.web.i18n import Language
from controller.web.typography import tidy

_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """`mood` is the state of ui.html's notes whose colour the last result has, empty before the first."""

    id: int
    name: str
    icon: str
    hint: str
    mood: str
    result: str
    tried: str


@dataclass(frozen=True, slots=True)
class DeliveryEntry:
    """`why` is empty if the state says it all."""

    id: int
    news: str
    to: str
    person: str
    state: str
    mood: str
    icon: str
    when: str
    why: str
    attempts: int
    retry: bool


@dataclass(frozen=True, slots=True)
class Choosable:
    """Something that can be ticked."""

    value: str
    text: str
    icon: str = ""
    on: bool = False


@dataclass(frozen=True, slots=True)
class SettingsPage:
    channels: Sequence[ChannelEntry]
    kinds: Sequence[Choosable]
    topics: Sequence[Choosable]
    quiet: bool
    quiet_from: Field
    quiet_until: Field
    history: Sequence[DeliveryEntry]


@dataclass(frozen=True, slots=True)
class ChannelPage:
    kind: str
    name: str
    icon: str
    how: str
    fields: Sequence[Field]


@dataclass(frozen=True, slots=True)
class HealthPage:
    """`counts` are (words, number)."""

    counts: Sequence[tuple[str, int]]
    oldest: str
    trouble: Sequence[DeliveryEntry]
    failed: int


def settings_page(
    view: SettingsView,
    now_ms: int,
    words: Language,
    given: Mapping[str, str] = _NOTHING,
    wrong: Mapping[str, str] = _NOTHING,
) -> SettingsPage:
    """`given` is what was sent in and could not be read, with what is `wrong` with it."""
    quiet = view.quiet
    first = given.get("quiet-from", _clock(quiet.from_min if quiet else 21 * 60))
    last = given.get("quiet-until", _clock(quiet.until_min if quiet else 6 * 60))
    ticked = {name.removeprefix("topic-") for name in given if name.startswith("topic-")}
    return SettingsPage(
        channels=[_channel(each, now_ms, words) for each in view.channels],
        kinds=[Choosable(each, str(said.KINDS[each].name(words)), icon=said.KINDS[each].icon) for each in ChannelKind],
        topics=[
            Choosable(each, str(said.TOPICS[each](words)), on=each in ticked if given else on)
            for each, on in view.topics.items()
        ],
        quiet="quiet" in given if given else quiet is not None,
        quiet_from=Field("quiet-from", words.t("From"), first, "time", problem=wrong.get("quiet-from", "")),
        quiet_until=Field("quiet-until", words.t("Until"), last, "time", problem=wrong.get("quiet-until", "")),
        history=[_delivery(each, now_ms, words) for each in view.history],
    )


def channel_page(
    kind: ChannelKind,
    installation: Installation,
    words: Language,
    given: Mapping[str, str] = _NOTHING,
    wrong: Mapping[str, str] = _NOTHING,
) -> ChannelPage:
    """Secrets are never filled in again, also not those that were sent in just now."""
    look = said.KINDS[kind]
    fields = [
        Field(
            part.name,
            str(said.field_word(part.name, words)),
            "" if part.secret else given.get(part.name, ""),
            "select" if part.options else "password" if part.secret else "text",
            str(said.hint_word(part.name, words)),
            wrong.get(part.name, ""),
            tuple(Option(each, str(said.OPTIONS[each](words))) for each in part.options),
            most=1_000,
            required=part.required,
        )
        for part in parts(kind, installation)
    ]
    return ChannelPage(kind, str(look.name(words)), look.icon, str(look.how(words)), fields)


def health_page(health: Health, now_ms: int, words: Language) -> HealthPage:
    counts = health.counts
    oldest = age(health.oldest_ms, now_ms, words) if health.oldest_ms and health.oldest_ms < now_ms else ""
    return HealthPage(
        counts=(
            (words.t("Wait to be sent"), counts[DeliveryState.WAITING] + counts[DeliveryState.SENDING]),
            (words.t("Sent in 24 hours"), counts[DeliveryState.SENT]),
            (words.t("Given up in 24 hours"), counts[DeliveryState.FAILED]),
        ),
        oldest=oldest,
        trouble=[_delivery(each, now_ms, words) for each in health.trouble],
        failed=sum(each.state is DeliveryState.FAILED and not each.gone for each in health.trouble),
    )


def _channel(each: ChannelView, now_ms: int, words: Language) -> ChannelEntry:
    look, mood = said.KINDS[each.kind], "ok" if each.result == Result.SENT else "warning"
    return ChannelEntry(
        id=each.id,
        name=str(look.name(words)),
        icon=look.icon,
        hint=each.hint,
        mood=mood if each.result else "",
        result=str(said.result_word(each.result, words)),
        tried=age(each.tried_ms, now_ms, words),
    )


def _delivery(each: DeliveryView, now_ms: int, words: Language) -> DeliveryEntry:
    state, mood = said.STATES[each.state]
    ended = each.state in (DeliveryState.SENT, DeliveryState.SENDING)
    why = "" if ended else str(said.result_word(each.result, words))
    later = each.state is DeliveryState.WAITING and each.due_ms > now_ms
    when = words.t("next at {time}", time=date_time(each.due_ms, now_ms, words)) if later else ""
    return DeliveryEntry(
        id=each.id,
        news=str(said.NEWS[each.news](words)) if each.news in said.NEWS else each.news,
        to=f"{said.KINDS[each.channel].name(words)} · {each.hint}",
        person=tidy(each.user),
        state=str(state(words)),
        mood=mood,
        icon=said.ICONS[each.state],
        when=" · ".join(str(part) for part in (age(each.ended_ms or each.created_ms, now_ms, words), when) if part),
        why=why,
        attempts=each.attempts,
        retry=each.state is DeliveryState.FAILED and not each.gone,
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
