"""A command set as a profile's options tell it: what is asked, how answers are read, what actions send. Pure.

    end, send_end, strip, blank     lines: what ends an answer and a request, the letters around an answer, and whether
                                    an empty one is an answer
    frame = { start = "AA", length = 5, length_at = 3, checksum = "sum", checksum_from = 1 }   instead of lines
    refused = { "PATTERN" = "why" } an answer that is a refusal to whatever was asked

    [options.metrics.power]
    ask = "801gl000"                the request; metrics with the same one share it
    reply = "801rl(...)"            matches the whole answer; its group is the value
    values = { 000 = "off", 001 = "on" }    or  as = "text" | "int" | "float" | "hex", and factor
    once = true                     asked when contact is made, and no more
    when = { metric = "power", is = ["on"] }    asked only then; else the value is unknown

    [options.metrics.on]
    of = "power"                    derived from another one
    is = ["on"]

    [options.actions.set-volume]
    send = "801s5{percent}"         with the arguments in braces
    reply = '401\\+'                 matches what confirms that it was understood; without one no answer is awaited
    args.percent = { least = 0, most = 100, format = "03d" }     or  choices = { "HDMI 1" = "004" }
    confirm = { metric = "volume", is = "{percent}" }    done when the device itself says so

Patterns are Python's (re). Everything is told once, when the bridge is made; ValueError names the option.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contract.model import Value
from firmware_bridges.base import BadReply, Refused
from firmware_bridges.line_frames import CHECKSUMS, Frames, Framing, Lines
from firmware_bridges.options import Options

_LONGEST_TEXT: Final = 128
_MOST_NUMBER: Final = 2**53
_KINDS: Final = ("text", "int", "float", "hex")


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric that a request answers. `values` turns what the device says into ours; without it `kind` does."""

    metric: str
    ask: str
    reply: re.Pattern[str]
    values: Mapping[str, Value]
    kind: str
    factor: float
    once: bool
    when: tuple[str, tuple[Value, ...]] | None

    def read(self, text: str) -> Value:
        """The value that the answer's group gives. Raises BadReply."""
        if self.values:
            if text not in self.values:
                raise BadReply(f"{text[:40]!r} is no {self.metric} of this command set")
            return self.values[text]
        if self.kind == "text":
            return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_TEXT]
        try:
            number = int(text, 16) if self.kind == "hex" else float(text) if self.kind == "float" else int(text)
        except ValueError:
            raise BadReply(f"{text[:40]!r} is no number for {self.metric}") from None
        if not abs(number) < _MOST_NUMBER:
            raise BadReply(f"{text[:40]!r} is too great for {self.metric}")
        scaled = number * self.factor
        return scaled if self.kind == "float" else round(scaled)


@dataclass(frozen=True, slots=True)
class Derived:
    """True while another metric is one of `values`, unknown while that is unknown."""

    metric: str
    of: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """What may be given, and how it is written. `choices` maps what a person says to what the device takes."""

    name: str
    choices: Mapping[str, str]
    least: int
    most: int
    form: str

    def write(self, given: Value | None) -> str:
        """Raises Refused, saying what may be given."""
        if self.choices:
            return self.choices[self.choice(given)]
        if type(given) not in (int, float) or not self.least <= given <= self.most:  # type: ignore[operator]
            raise Refused(f"{self.name} wants a number from {self.least} to {self.most}")
        return format(int(given), self.form)  # type: ignore[arg-type]

    def choice(self, given: Value | None) -> str:
        """The choice's own name, whatever its case was. Raises Refused."""
        wanted = ("true" if given else "false") if isinstance(given, bool) else str(given or "").strip()
        for name in self.choices:
            if wanted.casefold() == name.casefold():
                return name
        raise Refused(f"the device has no {self.name} {wanted[:40]!r}; there are {', '.join(self.choices)}")


@dataclass(frozen=True, slots=True)
class Confirm:
    """Done when `metric` is one of `values`; the one value "{argument}" stands for what was given."""

    metric: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """An action: what it sends, and how it is known to be done."""

    send: str
    reply: re.Pattern[str] | None
    args: tuple[Argument, ...]
    confirm: Confirm | None

    def text(self, args: Mapping[str, Value]) -> str:
        """What is sent. Raises Refused for arguments that cannot be."""
        written = {argument.name: argument.write(args.get(argument.name)) for argument in self.args}
        return _BRACES.sub(lambda match: written[match[1]], self.send)

    def reached(self, confirm: Confirm, args: Mapping[str, Value]) -> tuple[Value, ...]:
        """The values of `confirm` any of which says that it is done."""
        named = {each.name: each.choice(args.get(each.name)) for each in self.args if each.choices}
        given = {**args, **{name: text for name, text in named.items() if not isinstance(args.get(name), bool)}}
        return tuple(_given(each, given) for each in confirm.values)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A whole command set."""

    framing: Framing
    asked: tuple[Asked, ...]
    derived: tuple[Derived, ...]
    orders: Mapping[str, Order]
    refused: tuple[tuple[re.Pattern[str], str], ...]

    def check(self, text: str) -> None:
        """Raises Refused if an answer is a refusal."""
        for pattern, why in self.refused:
            if pattern.fullmatch(text):
                raise Refused(why)


_BRACES = re.compile(r"\{([a-z0-9-]+)\}")


def _given(value: Value, args: Mapping[str, Value]) -> Value:
    match = _BRACES.fullmatch(value) if isinstance(value, str) else None
    return args.get(match[1], value) if match else value


def dialect(given: Options) -> Dialect:
    """Take the command set out of a bridge's options. Raises ValueError, which begins with the option's name."""
    framing = _framing(given)
    refused = given.table("refused")
    metrics = {name: _table(f"metrics: {name}", each) for name, each in given.table("metrics").items()}
    asked = tuple(_asked(name, each, framing) for name, each in metrics.items() if "ask" in each)
    derived = tuple(_derived(name, each, metrics) for name, each in metrics.items() if "ask" not in each)
    for each in asked:
        if each.when and each.when[0] not in {other.metric for other in asked}:
            raise ValueError(f"metrics: {each.metric}: when: nothing asks for {each.when[0]!r}")
    orders = {
        name: _order(name, _table(f"actions: {name}", each), framing, metrics)
        for name, each in given.table("actions").items()
    }
    patterns = tuple((_pattern("refused", pattern, 0), str(why)) for pattern, why in refused.items())
    return Dialect(framing, tuple(sorted(asked, key=lambda each: each.when is not None)), derived, orders, patterns)


def _framing(given: Options) -> Framing:
    lines = Lines(
        end=_bytes("end", given.text("end", "\r")),
        send_end=given.text("send_end", "\r").encode("latin-1", "replace"),
        strip=given.text("strip", " \r\n\t"),
        blank=given.yes("blank", default=False),
    )
    table = given.table("frame")
    if not table:
        return lines
    frame = Options(table, "frame: ")
    start, checksum = frame.text("start"), frame.text("checksum", "none")
    length_at = frame.whole("length_at", -1, -1, 63)
    try:
        begin = bytes.fromhex(start)
    except ValueError:
        begin = b""
    if not begin:
        raise ValueError(f"frame: start: {start!r} is not the hexadecimal beginning of a frame")
    if checksum not in CHECKSUMS:
        raise ValueError(f"frame: checksum: {checksum!r} is none of {', '.join(CHECKSUMS)}")
    made = Frames(
        start=begin,
        length=frame.whole("length", 0, len(begin) + 1, 255),
        length_at=None if length_at < 0 else length_at,
        checksum=checksum,
        checksum_from=frame.whole("checksum_from", 0, 0, 63),
    )
    frame.done()
    return made


def _asked(name: str, table: Mapping[str, Any], framing: Framing) -> Asked:
    given = Options(table, f"metrics: {name}: ")
    when = given.table("when")
    made = Asked(
        metric=name,
        ask=_sendable(f"metrics: {name}: ask", given.text("ask"), framing),
        reply=_pattern(f"metrics: {name}: reply", given.text("reply"), 1),
        values=_values(f"metrics: {name}: values", given.table("values")),
        kind=given.text("as", "text"),
        factor=given.number("factor", 1.0, 1e-9, 1e9),
        once=given.yes("once", default=False),
        when=_when(f"metrics: {name}: when: ", when) if when else None,
    )
    if made.kind not in _KINDS:
        raise ValueError(f"metrics: {name}: as: {made.kind!r} is none of {', '.join(_KINDS)}")
    given.done()
    return made


def _derived(name: str, table: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> Derived:
    given = Options(table, f"metrics: {name}: ")
    made = Derived(name, given.text("of"), given.texts("is"))
    if "ask" not in metrics.get(made.of, {}) or not made.values:
        raise ValueError(f"metrics: {name}: neither is it asked for, nor derived by `of` and `is` from one that is")
    given.done()
    return made


def _order(name: str, table: Mapping[str, Any], framing: Framing, metrics: Mapping[str, Any]) -> Order:
    where = f"actions: {name}: "
    given = Options(table, where)
    awaits = "reply" in table
    send, reply, confirm = given.text("send"), given.text("reply"), given.table("confirm")
    args = tuple(_argument(f"{where}args: {key}", key, each) for key, each in given.table("args").items())
    given.done()
    if unknown := set(_BRACES.findall(send)) - {each.name for each in args}:
        raise ValueError(f"{where}send: {min(unknown)!r} is no argument")
    if not _BRACES.search(send):
        _sendable(f"{where}send", send, framing)
    told = _when(f"{where}confirm: ", confirm) if confirm else None
    if told and told[0] not in metrics:
        raise ValueError(f"{where}confirm: nothing asks for {told[0]!r}")
    pattern = _pattern(f"{where}reply", reply, 0) if awaits else None
    return Order(send, pattern, args, Confirm(*told) if told else None)


def _argument(where: str, name: str, table: Any) -> Argument:
    given = Options(_table(where, table), f"{where}: ")
    choices = {str(key): str(code) for key, code in given.table("choices").items()}
    made = Argument(
        name,
        choices,
        given.whole("least", 0, -_MOST_NUMBER, _MOST_NUMBER),
        given.whole("most", 100, -_MOST_NUMBER, _MOST_NUMBER),
        given.text("format", "d"),
    )
    given.done()
    if not re.fullmatch(r"0?\d{0,2}[dX]", made.form):
        raise ValueError(f"{where}: format: {made.form!r} is not one such as 03d or 02X")
    return made


def _when(where: str, table: Mapping[str, Any]) -> tuple[str, tuple[Value, ...]]:
    given = Options(table, where)
    metric = given.text("metric")
    wanted = table.get("is")
    values = tuple(wanted) if isinstance(wanted, list) else (wanted,)
    if not all(isinstance(each, bool | int | float | str) for each in values):
        raise ValueError(f"{where}is: {wanted!r} is no value and no list of values")
    if set(table) - {"metric", "is"}:
        raise ValueError(f"{where}{min(set(table) - {'metric', 'is'})}: nobody knows this option")
    return metric, values


def _values(where: str, table: Mapping[str, Any]) -> Mapping[str, Value]:
    if not all(isinstance(each, bool | int | float | str) for each in table.values()):
        raise ValueError(f"{where}: not a table of values")
    if len({type(each) for each in table.values()}) > 1:
        raise ValueError(f"{where}: values of several kinds")
    return dict(table)


def _pattern(where: str, text: str, groups: int) -> re.Pattern[str]:
    try:
        made = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{where}: {text!r} is no pattern: {error}") from None
    if made.groups < groups:
        raise ValueError(f"{where}: {text!r} has no group for the value")
    return made


def _sendable(where: str, text: str, framing: Framing) -> str:
    if isinstance(framing, Lines):
        return text
    try:
        framing.encode(text)
    except ValueError:
        raise ValueError(f"{where}: {text!r} is not hexadecimal") from None
    return text


def _table(where: str, table: Any) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: {table!r} is no table")  # noqa: TRY004 - what is wrong is an option
    return table


def _bytes(name: str, text: str) -> bytes:
    if not text:
        raise ValueError(f"{name}: something must end a line")
    return text.encode("latin-1", "replace")
