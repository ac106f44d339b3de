"""The card of commands: what can be asked of a device, what that would cost, and what became of the last ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contract.model import CommandStatus, Value
from controller.commands.service import CommandView, Offer, StepView
from controller.commands.states import OPEN
from controller.commands.trials import Trial, TrialState
from controller.web.command_fields import Field, fields_of
from controller.web.command_words import NEVER_SENT, Reason, reason, refusal, status_word
from controller.web.formats import clock_seconds, moment, shown
from controller.web.i18n import Language, number
from controller.web.views import words as said
from device_profiles.profile import Action, DeviceProfile

LINE: Final = (*OPEN, CommandStatus.DONE)
"""The way of a command that goes well."""
TO_A_JOB: Final = "job"
"""Why of an offer that begins at a print job and so has no button here."""


@dataclass(frozen=True, slots=True)
class Look:
    icon: str


LOOKS: Final[Mapping[str, Look]] = {
    "identify": Look(icon="bulb"),
    "pause": Look(icon="player-pause"),
    "resume": Look(icon="player-play"),
    "stop": Look(icon="player-stop"),
    "preheat": Look(icon="flame"),
    "home": Look(icon="home"),
    "power-on": Look(icon="power"),
    "power-off": Look(icon="power"),
    "input": Look(icon="device-tv"),
    "mute": Look(icon="eye-off"),
    "led-on": Look(icon="bulb"),
    "led-off": Look(icon="bulb-off"),
    "lock": Look(icon="lock"),
    "unlock": Look(icon="lock-open"),
    "restart": Look(icon="refresh"),
}
PLAIN: Final = Look(icon="command")


@dataclass(frozen=True, slots=True)
class Stake:
    """What a destructive command would end: where, what runs there now, and that it does not come back."""

    where: str
    now: str
    running: bool
    cost: str


@dataclass(frozen=True, slots=True)
class Dialog:
    """What is asked before a command is given."""

    title: str
    fields: tuple[Field, ...]
    stake: Stake | None


@dataclass(frozen=True, slots=True)
class Button:
    """One action. `why_id` names the sentence that says why it cannot be given now, empty if it can."""

    action: str
    label: str
    icon: str
    destructive: bool
    why_id: str
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class Why:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A state on the line of a command: `at` is done, now or next; `time` is empty before it came."""

    status: str
    word: str
    at: str
    time: str
    hint: str


@dataclass(frozen=True, slots=True)
class Line:
    """A command that was given. Either `marks` or, where it ended otherwise, `reason` says what became of it."""

    id: str
    what: str
    by: str
    when: str
    status: str
    word: str
    marks: tuple[Mark, ...]
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A command that a technician tries first. `asks`: it was carried out, and a person says whether it worked."""

    command_id: str
    label: str
    word: str
    look: str
    icon: str
    asks: bool


@dataclass(frozen=True, slots=True)
class CommandCard:
    """`until_ms` is when a reason given here ends by itself. `news` is the newest command in one line, for the ear."""

    device_id: int
    key: str
    buttons: tuple[Button, ...]
    whys: tuple[Why, ...]
    until_ms: int | None
    lines: tuple[Line, ...]
    news: str
    error: str = ""
    brief: bool = False
    trials: tuple[TrialRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of the device when its card is made. `job` says what it prints and how far it is, if it does."""

    device_id: int
    name: str
    room: str
    school: str
    profile: DeviceProfile | None
    in_use: bool
    job: str = ""
    values: Mapping[str, Value | None] = field(default_factory=dict)
    trials: Sequence[Trial] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom, when and under which key of the form a card is made. `brief`: for the drawer."""

    language: Language
    now_ms: int
    key: str
    brief: bool = False


def command_card(
    scene: Scene, offers: Sequence[Offer], commands: Sequence[CommandView], asked: Asked, error: str = ""
) -> CommandCard:
    """The card of one device."""
    language = asked.language
    offers = [offer for offer in offers if offer.why != TO_A_JOB]
    lines = tuple(line_of(each, scene.profile, language, asked.now_ms) for each in commands)
    return CommandCard(
        device_id=scene.device_id,
        key=asked.key,
        buttons=tuple(
            _button(offer, scene, language) for offer in sorted(offers, key=lambda each: each.action.destructive)
        ),
        whys=_whys(offers, language),
        until_ms=min((offer.until_ms for offer in offers if offer.until_ms is not None), default=None),
        lines=lines,
        news=_news(lines[0], language) if lines else "",
        error=error,
        brief=asked.brief,
        trials=tuple(_trial(each, language) for each in scene.trials),
    )


def _trial(trial: Trial, language: Language) -> TrialRow:
    word, look, icon = {
        TrialState.UNTRIED: (language.t("not tried yet"), "offline", "help"),
        TrialState.SENT: (language.t("on its way"), "offline", "send"),
        TrialState.ASKED: (language.t("carried out: did the machine do what it should?"), "warning", "help"),
        TrialState.WORKS: (language.t("works"), "ok", "check"),
        TrialState.FAILED: (language.t("does not work"), "fault", "x"),
    }[trial.state]
    return TrialRow(
        trial.command_id, said(trial.action.label, language), str(word), look, icon, trial.state is TrialState.ASKED
    )


def _news(line: Line, language: Language) -> str:
    return language.t("{command}: {state}", command=line.what, state=line.word)


# buttons


def _button(offer: Offer, scene: Scene, language: Language) -> Button:
    action = offer.action
    return Button(
        action=action.name,
        label=said(action.label, language),
        icon=LOOKS.get(action.name, PLAIN).icon,
        destructive=action.destructive,
        why_id=_why_id(offer) if offer.why else "",
        dialog=_dialog(action, scene, language) if needs_dialog(action) and not offer.why else None,
    )


def needs_dialog(action: Action) -> bool:
    """Whether something is asked before the command is given."""
    return action.destructive or bool(action.args)


def _why_id(offer: Offer) -> str:
    return f"why-{offer.why}"


def _whys(offers: Sequence[Offer], language: Language) -> tuple[Why, ...]:
    """One sentence a reason; where other commands can be given it names those that cannot."""
    found: dict[str, list[Offer]] = {}
    for offer in offers:
        if offer.why:
            found.setdefault(_why_id(offer), []).append(offer)
    every = sum(map(len, found.values())) == len(offers) and len(found) == 1
    return tuple(Why(key, _why(closed, language, every=every)) for key, closed in found.items())


def _why(closed: Sequence[Offer], language: Language, *, every: bool) -> str:
    text = refusal(closed[0].why, language, closed[0].until_ms) or closed[0].why
    if every:
        return text
    names = ", ".join(said(offer.action.label, language) for offer in closed)
    return language.t("{commands}: {why}", commands=names, why=text)


def _dialog(action: Action, scene: Scene, language: Language) -> Dialog:
    label = said(action.label, language)
    fields = fields_of(action, scene.profile, language, scene.values)
    title = f"{scene.name}: {label[:1].lower()}{label[1:]}"
    return (
        Dialog(f"{title}?", fields, _stake(action, scene, language))
        if action.destructive
        else Dialog(title, fields, None)
    )


def _stake(action: Action, scene: Scene, language: Language) -> Stake:
    if scene.job:
        now = scene.job
    elif scene.in_use:
        now = language.t("The machine is in use now.")
    else:
        now = language.t("The machine is not in use now.")
    running = bool(scene.job) or scene.in_use
    if action.name == "stop" and running:
        cost = language.t("What is stopped cannot be resumed.")
    else:
        cost = language.t("This cannot be undone.")
    return Stake(", ".join(part for part in (scene.room, scene.school) if part), now, running, cost)


# what became of commands


def line_of(command: CommandView, profile: DeviceProfile | None, language: Language, now_ms: int) -> Line:
    """One command with what became of it."""
    bad = command.status.final and command.status is not CommandStatus.DONE
    return Line(
        id=command.id,
        what=what(command, profile, language),
        by=command.by or language.t("the server"),
        when=moment(command.asked_ms, now_ms, language),
        status=command.status.value,
        word=status_word(command.status, language),
        marks=() if bad else _marks(command, language),
        reason=_reason(command, language) if bad else None,
    )


def _reason(command: CommandView, language: Language) -> Reason:
    """What the controller lets expire was never sent; what the agent does came too late."""
    unsent = command.status is CommandStatus.EXPIRED and not command.told
    return reason(command.status, NEVER_SENT if unsent else command.detail, language)


def what(command: CommandView, profile: DeviceProfile | None, language: Language) -> str:
    """The command in words, with its arguments: Preheat: 215 °C, 60 °C. Of a file its name stands for all of them."""
    action = profile.actions.get(command.action) if profile else None
    if action is None:
        return command.action
    if action.file:
        return f"{said(action.label, language)}: {command.args.get('name', '')}"
    values = [_shown(field, command.args.get(field.name), language) for field in fields_of(action, profile, language)]
    label = said(action.label, language)
    return f"{label}: {', '.join(values)}" if values else label


def _shown(field: Field, value: Value | None, language: Language) -> str:
    for code, word in field.choices:
        if value == code:
            return word
    if isinstance(value, float):  # as it was asked for, not as a reading is rounded
        text = number(value, language.code, 0 if value.is_integer() else 1)
    else:
        text = str(shown(value, "1", language))
    return f"{text}\u00a0{field.unit}" if field.unit else text


def _marks(command: CommandView, language: Language) -> tuple[Mark, ...]:
    came = {step.status: step for step in command.steps}
    reached = LINE.index(command.status)
    return tuple(_mark(status, place, reached, came.get(status), language) for place, status in enumerate(LINE))


def _mark(status: CommandStatus, place: int, reached: int, step: StepView | None, language: Language) -> Mark:
    over = place < reached or place == reached == len(LINE) - 1
    at = "done" if over else "now" if place == reached else "next"
    hint = {"done": language.t("over"), "now": language.t("now"), "next": language.t("not yet")}[at]
    return Mark(status.value, status_word(status, language), at, clock_seconds(step.at_ms) if step else "", hint)
