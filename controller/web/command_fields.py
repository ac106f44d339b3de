"""The arguments of a command as fields of a form: what is asked, and what was typed in."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from contract.model import Kind, Value
from contract.units import symbol
from controller.web.i18n import Language, number
from controller.web.views import words as said
from device_profiles.profile import Action, DeviceProfile, MetricProfile

LONGEST_TEXT: Final = 200
NO_VALUES: Final[Mapping[str, Value | None]] = {}
_UNITS: Final[Mapping[str, str]] = {"celsius": "Cel", "level": "%", "angle": "deg"}
"""Of arguments that are named for what they are counted in."""


@dataclass(frozen=True, slots=True)
class Field:
    """An argument to be asked for. `least` and `most` are None where the profile says none; `now` is what is set."""

    name: str
    label: str
    kind: Kind
    unit: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[tuple[str, str], ...] = ()
    now: str = ""

    @property
    def numeric(self) -> bool:
        return self.kind in (Kind.INT, Kind.FLOAT)


def fields_of(
    action: Action, profile: DeviceProfile | None, language: Language, values: Mapping[str, Value | None] = NO_VALUES
) -> tuple[Field, ...]:
    """What is to be asked for an action, in the profile's order. `values` are the device's, by metric."""
    form = _Form(said(action.label, language), profile, language, values)
    return tuple(form.field(name, kind) for name, kind in action.args.items())


@dataclass(frozen=True, slots=True)
class _Form:
    label: str
    profile: DeviceProfile | None
    language: Language
    values: Mapping[str, Value | None]

    def field(self, name: str, kind: Kind) -> Field:
        """An argument goes by the label and unit of the metric that it sets, where there is one."""
        known = _metric(name, self.profile)
        label = said(known.label, self.language) if known else self.label
        if kind is Kind.BOOL:
            yes, no = self.language.t("yes"), self.language.t("no")
            return Field(name, label, kind, choices=(("true", yes), ("false", no)))
        if kind is Kind.TEXT:
            return Field(name, label, kind, choices=_choices(name, self.profile), now=str(self.values.get(name) or ""))
        unit = known.metric.unit if known else _UNITS.get(name, "1")
        least, most = _limits(name, unit, self.profile)
        return Field(name, label, kind, symbol(unit, self.language.code), least, most)


def _metric(name: str, profile: DeviceProfile | None) -> MetricProfile | None:
    for metric in (f"{name}-target", f"{name}-temperature", name):
        if profile and metric in profile.metrics:
            return profile.metrics[metric]
    return None


def _limits(name: str, unit: str, profile: DeviceProfile | None) -> tuple[float | None, float | None]:
    """From nothing to what `[options.limits]` allows: `nozzle_c` for `nozzle`."""
    table = profile.options.get("limits", {}) if profile else {}
    most = table.get(f"{name}_c") if unit == "Cel" else None
    return (None, None) if most is None else (0.0, float(most))


def _choices(name: str, profile: DeviceProfile | None) -> tuple[tuple[str, str], ...]:
    """What the profile lists for a text: `[options.inputs]` for `input`."""
    listed = profile.options.get(f"{name}s", {}) if profile else {}
    return tuple((str(code), str(word)) for code, word in listed.items())


class WrongInput(ValueError):
    """What was typed into a field cannot be sent. `text` says so to the reader, in the reader's language."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def read_fields(fields: Iterable[Field], given: Mapping[str, str], language: Language) -> dict[str, Value]:
    """The arguments that were typed in. Raises WrongInput for the first that is not right."""
    return {field.name: _read(field, given.get(f"arg.{field.name}", "").strip(), language) for field in fields}


def _read(field: Field, text: str, language: Language) -> Value:
    if field.kind is Kind.BOOL:
        if text not in ("true", "false"):
            raise WrongInput(language.t("{field}: choose one.", field=field.label))
        return text == "true"
    if field.kind is Kind.TEXT:
        if not text or len(text) > LONGEST_TEXT or not text.isprintable():
            raise WrongInput(language.t("{field}: fill this in, in one line.", field=field.label))
        return text
    value = _number(text, field.kind)
    if value is None or not _within(value, field):
        raise WrongInput(_range(field, language))
    return value


def _within(value: float, field: Field) -> bool:
    return (field.least is None or value >= field.least) and (field.most is None or value <= field.most)


def _number(text: str, kind: Kind) -> int | float | None:
    """As people of both languages type it: 26,1 and 26.1."""
    read: Callable[[str], int | float] = int if kind is Kind.INT else float
    try:
        value = read(text.replace(",", "."))
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


def _range(field: Field, language: Language) -> str:
    if field.least is None or field.most is None:
        return language.t("{field}: type a number.", field=field.label)
    low, high = (number(limit, language.code) for limit in (field.least, field.most))
    most = f"{high} {field.unit}".strip()
    return language.t("{field}: a number from {low} to {high}.", field=field.label, low=low, high=most)
