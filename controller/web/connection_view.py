"""The page of connections: what programs of a school's own are told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from controller.home_assistant.settings import LANGUAGES, LinkView
from controller.notifications.states import DeliveryState, Result
from controller.plant import BrokerAddress
from controller.web import notification_words as said
from controller.web.admin_form import Field, Option
from controller.web.connection_words import KINDS
from controller.web.formats import age, date_time
from controller.web.i18n import Language
from controller.webhooks.kinds import CHOICES
from controller.webhooks.settings import HookView, SentView


@dataclass(frozen=True, slots=True)
class HomeAssistantPart:
    """`typed` is what is to be typed into Home Assistant; `made` is empty if there is no account."""

    on: bool
    language: Field
    typed: Sequence[tuple[str, str]]
    made: str


@dataclass(frozen=True, slots=True)
class HookEntry:
    id: int
    host: str
    kinds: str
    good: bool
    result: str
    tried: str


@dataclass(frozen=True, slots=True)
class SentEntry:
    """`why` is empty if the state says it all."""

    id: int
    news: str
    host: str
    event: str
    state: str
    mood: str
    icon: str
    when: str
    why: str
    attempts: int
    retry: bool


@dataclass(frozen=True, slots=True)
class Kind:
    value: str
    text: str
    on: bool


@dataclass(frozen=True, slots=True)
class ConnectionsPage:
    home_assistant: HomeAssistantPart
    hooks: Sequence[HookEntry]
    url: Field
    kinds: Sequence[Kind]
    sent: Sequence[SentEntry]


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that the page is made of. `given` is a form that could not be taken, with what is `wrong` with it."""

    link: LinkView
    broker: BrokerAddress
    host: str
    hooks: Sequence[HookView]
    sent: Sequence[SentView]
    given: Mapping[str, str]
    wrong: Mapping[str, str]


def connections_page(told: Told, now_ms: int, words: Language) -> ConnectionsPage:
    ticked: Collection[str] = {name.removeprefix("kind-") for name in told.given if name.startswith("kind-")}
    return ConnectionsPage(
        home_assistant=_home_assistant(told, now_ms, words),
        hooks=[_hook(each, now_ms, words) for each in told.hooks],
        url=Field(
            "url",
            words.t("Address"),
            told.given.get("url", ""),
            hint=words.t("It is kept sealed and never shown again; only its host is."),
            problem=told.wrong.get("url", ""),
            most=1_000,
            required=True,
        ),
        kinds=[Kind(each, KINDS[each](words), on=each in ticked) for each in CHOICES],
        sent=[_sent(each, now_ms, words) for each in told.sent],
    )


def typed(told: Told, words: Language) -> Sequence[tuple[str, str]]:
    """What is typed into Home Assistant, without the password."""
    return (
        (words.t("Broker"), told.broker.host or told.host),
        (words.t("Port"), str(told.broker.port)),
        (words.t("Username"), told.link.user),
        (words.t("Discovery prefix"), told.link.prefix),
        (words.t("TLS"), words.t("yes") if told.broker.tls else words.t("no")),
    )


def _home_assistant(told: Told, now_ms: int, words: Language) -> HomeAssistantPart:
    names = {"vi": words.t("Vietnamese"), "en": words.t("English")}
    return HomeAssistantPart(
        on=told.link.switched_on,
        language=Field(
            "language",
            words.t("Language of the names"),
            told.link.language,
            "select",
            options=tuple(Option(each, names[each]) for each in LANGUAGES),
        ),
        typed=typed(told, words) if told.link.switched_on else (),
        made=age(told.link.made_ms, now_ms, words) if told.link.made_ms else "",
    )


def _hook(each: HookView, now_ms: int, words: Language) -> HookEntry:
    return HookEntry(
        id=each.id,
        host=each.host,
        kinds=" · ".join(KINDS[kind](words) for kind in each.kinds),
        good=each.result == Result.SENT,
        result=str(said.result_word(each.result, words)),
        tried=age(each.tried_ms, now_ms, words) if each.tried_ms else "",
    )


def _sent(each: SentView, now_ms: int, words: Language) -> SentEntry:
    state, mood = said.STATES[each.state]
    ended = each.state in (DeliveryState.SENT, DeliveryState.SENDING)
    later = each.state is DeliveryState.WAITING and each.due_ms > now_ms
    when = words.t("next at {time}", time=date_time(each.due_ms, now_ms, words)) if later else ""
    return SentEntry(
        id=each.id,
        news=KINDS[each.kind](words),
        host=each.host,
        event=each.event,
        state=str(state(words)),
        mood=mood,
        icon=said.ICONS[each.state],
        when=" · ".join(str(part) for part in (age(each.ended_ms or each.created_ms, now_ms, words), when) if part),
        why="" if ended else str(said.result_word(each.result, words)),
        attempts=each.attempts,
        retry=each.state is DeliveryState.FAILED and not each.gone,
    )
