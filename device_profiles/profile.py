"""Load and check device profiles. A profile is one TOML file, `<vendor>/<model>.toml`; its slug is that path."""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from contract.model import ContractError, Kind, Metric, Value, check_name, check_pattern, pattern_for
from contract.units import UNITS

PROFILES = Path(__file__).parent
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_TEXTS = ("banner", "probe", "mdns", "ssdp", "snmp", "pjlink")
DIGEST, PATH = "digest", "path"
"""The argument that names a job file, and the one that the agent adds for the bridge."""


@dataclass(frozen=True, slots=True)
class Words:
    """A label in both languages of the pages."""

    en: str
    vi: str


class ProfileError(ValueError):
    """The profile file says something that cannot be right; the message names the file and the key.

    `where` is the key, empty if it is not of one; `why` what is wrong with it.
    """

    def __init__(self, slug: str, where: str, why: Words) -> None:
        super().__init__(": ".join(part for part in (slug, where, why.en) if part))
        self.where = where.rstrip(".")
        self.why = why


class Enforces(StrEnum):
    """How a lease is enforced on this machine: by refusing commands, by cutting power, or not at all."""

    COMMANDS = "commands"
    POWER = "power"
    NONE = "none"


class Level(StrEnum):
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class MetricProfile:
    """A metric with what a page needs to show it. `words` tells what a text value means to a reader."""

    metric: Metric
    label: Words
    chart: bool = False
    words: Mapping[str, Words] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """Something the machine can be told. `guarded` ones need a lease; `destructive` ones are asked for twice.

    `args` maps each argument to its kind. With `file` they name a job file by its SHA-256, `digest`; the agent fetches
    it and gives the bridge its `path` as well, which nobody else may give.
    """

    name: str
    label: Words
    guarded: bool = False
    destructive: bool = False
    file: bool = False
    args: Mapping[str, Kind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Raised when `metric` lies above or below a limit, or equals `equals`, for `for_s`; cleared past `clear`."""

    metric: str
    level: Level
    label: Words
    above: float | None = None
    below: float | None = None
    equals: Value | None = None
    clear: float | None = None
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Booking:
    """Defaults for sharing this model. Minutes and watts."""

    hazard: int = 0
    setup_min: int = 0
    clean_up_min: int = 0
    certificate: str = ""
    power_w: int = 0
    after_lease: str = "finish"


@dataclass(frozen=True, slots=True)
class Recognise:
    """How a plugged or reachable device of this model is known.

    `usb` are ids of vendor and product; `banner` is a part of what it says at its port unasked, `probe` of what it
    answers there; `mdns` a service type (RFC 6763), `ssdp` a device type (UPnP Device Architecture 1.1, 1.3), `snmp`
    the beginning of its sysObjectID, `pjlink` a part of the maker, model or name that it tells (INF1, INF2, NAME).
    """

    usb: tuple[str, ...] = ()
    banner: str = ""
    probe: str = ""
    mdns: str = ""
    ssdp: str = ""
    snmp: str = ""
    pjlink: str = ""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """A consumable or a service: due when the metric has grown by `every` (in the metric's unit)."""

    name: str
    label: Words
    metric: str
    every: float


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """All that is known of a model. `verified` names the far end it was driven against, None if none.

    `source` cites where its facts come from, None if it is verified and says no more.
    """

    slug: str
    digest: str
    name: str
    label: Words
    family: str
    bridge: str
    poll_s: float
    metrics: Mapping[str, MetricProfile]
    actions: Mapping[str, Action]
    alerts: tuple[AlertRule, ...]
    recognise: Recognise
    booking: Booking
    enforces: Enforces
    in_use: str
    verified: Words | None
    source: Words | None
    consumables: tuple[Upkeep, ...]
    services: tuple[Upkeep, ...]
    options: Mapping[str, Any]

    def metric(self, name: str) -> Metric | None:
        """The metric that `name` goes by, through a pattern if need be; None if the profile has none."""
        pattern = pattern_for(name, self.metrics)
        return self.metrics[pattern].metric if pattern else None


def load(slug: str, folder: Path = PROFILES) -> DeviceProfile:
    """Read one profile. Raises ProfileError if there is none or it is wrong."""
    path = folder / f"{slug}.toml"
    if path.resolve().parent.parent != folder.resolve():
        raise ProfileError(slug, "", Words("a profile is named vendor/model", "hồ sơ có tên dạng hãng/mẫu"))
    try:
        return parse(slug, path.read_text("utf-8"))
    except OSError as error:
        raise ProfileError(slug, "", _same(str(error.strerror))) from None


def slugs(folder: Path = PROFILES) -> Iterator[str]:
    """Every profile in `folder`, in order."""
    for path in sorted(folder.glob("*/*.toml")):
        yield f"{path.parent.name}/{path.stem}"


def parse(slug: str, text: str) -> DeviceProfile:
    """Check a profile's text. Raises ProfileError."""
    try:
        return _Reader(slug).profile(tomllib.loads(text), text)
    except ContractError as error:
        where, _, why = str(error).partition(": ")
        raise ProfileError(slug, where, _same(why)) from None
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(slug, "", Words(f"no TOML: {error}", f"chưa phải TOML: {error}")) from None


def _same(text: str) -> Words:
    return Words(text, text)


_KINDS = {
    str: Words("a text", "văn bản"),
    int: Words("a whole number", "số nguyên"),
    float: Words("a number", "số"),
    bool: Words("true or false", "true hoặc false"),
    list: Words("a list", "danh sách"),
    dict: Words("a table", "bảng"),
}


class _Reader:
    """Reads TOML tables, refuses keys that nobody knows, and names file and key in each error."""

    def __init__(self, slug: str) -> None:
        self.slug = slug

    def wrong(self, where: str, en: str, vi: str) -> ProfileError:
        return ProfileError(self.slug, where, Words(en, vi))

    def take(
        self, table: dict[str, Any], where: str, key: str, kinds: type | tuple[type, ...], default: Any = None
    ) -> Any:
        if key not in table:
            if default is None:
                raise self.wrong(f"{where}{key}", "missing", "còn thiếu")
            return default
        value = table.pop(key)
        accepted = kinds if isinstance(kinds, tuple) else (kinds,)
        if type(value) not in accepted and not (float in accepted and type(value) is int):
            given, wanted = (_KINDS.get(kind, _same(kind.__name__)) for kind in (type(value), accepted[0]))
            raise self.wrong(
                f"{where}{key}", f"{given.en}, where {wanted.en} is wanted", f"là {given.vi}, cần {wanted.vi}"
            )
        return value

    def done(self, table: dict[str, Any], where: str) -> None:
        if table:
            raise self.wrong(f"{where}{next(iter(table))}", "nobody knows this key", "không có khóa này")

    def words(self, table: dict[str, Any], where: str, key: str = "label") -> Words:
        label = dict(self.take(table, where, key, dict))
        inner = f"{where}{key}."
        result = Words(self.take(label, inner, "en", str), self.take(label, inner, "vi", str))
        self.done(label, inner)
        return result

    def told(self, table: dict[str, Any], key: str) -> Words | None:
        """A text in both languages, or one that is the same in both: a title, a version."""
        if key not in table:
            return None
        if isinstance(table[key], dict):
            return self.words(table, "", key)
        text = self.take(table, "", key, str)
        return Words(text, text)

    def profile(self, table: dict[str, Any], text: str) -> DeviceProfile:
        metrics = {name: self.metric(name, dict(each)) for name, each in self.take(table, "", "metrics", dict).items()}
        actions = {
            name: self.action(name, dict(each)) for name, each in self.take(table, "", "actions", dict, {}).items()
        }
        alerts = tuple(self.alert(dict(each), metrics) for each in self.take(table, "", "alerts", list, []))
        upkeep = {
            key: tuple(self.upkeep(dict(each), f"{key}.", metrics) for each in self.take(table, "", key, list, []))
            for key in ("consumables", "services")
        }
        profile = DeviceProfile(
            slug=self.slug,
            digest=hashlib.sha256(text.encode()).hexdigest()[:16],
            name=self.take(table, "", "name", str),
            label=self.words(table, ""),
            family=self.take(table, "", "family", str),
            bridge=self.take(table, "", "bridge", str),
            poll_s=float(self.take(table, "", "poll_s", float, 10.0)),
            metrics=metrics,
            actions=actions,
            alerts=alerts,
            recognise=self.recognise(dict(self.take(table, "", "recognise", dict, {}))),
            booking=self.booking(dict(self.take(table, "", "booking", dict, {}))),
            enforces=self.choice(table, "", "enforces", Enforces),
            in_use=self.take(table, "", "in_use", str, ""),
            verified=self.told(table, "verified"),
            source=self.told(table, "source"),
            consumables=upkeep["consumables"],
            services=upkeep["services"],
            options=self.take(table, "", "options", dict, {}),
        )
        self.done(table, "")
        if not profile.verified and not profile.source:
            raise self.wrong(
                "source",
                "an unverified profile cites where its facts come from",
                "hồ sơ chưa kiểm chứng phải ghi nguồn",
            )
        if profile.in_use and profile.metric(profile.in_use) is None:
            raise self.wrong("in_use", f"no metric {profile.in_use!r}", f"không có đại lượng {profile.in_use!r}")
        if not 0.05 <= profile.poll_s <= 3600:
            raise self.wrong("poll_s", "not between 0.05 and 3600 seconds", "chưa nằm trong 0.05 đến 3600 giây")
        return profile

    def choice(self, table: dict[str, Any], where: str, key: str, kinds: type[StrEnum]) -> Any:
        given = self.take(table, where, key, str)
        try:
            return kinds(given)
        except ValueError:
            raise self.wrong(
                f"{where}{key}",
                f"{given!r} is none of {', '.join(kinds)}",
                f"{given!r} chưa phải một trong {', '.join(kinds)}",
            ) from None

    def metric(self, name: str, table: dict[str, Any]) -> MetricProfile:
        where = f"metrics.{name}."
        check_pattern(name, where)
        unit = self.take(table, where, "unit", str)
        if unit not in UNITS:
            raise self.wrong(
                f"{where}unit", f"{unit!r} is not among the allowed UCUM codes", f"{unit!r} chưa phải mã UCUM được dùng"
            )
        metric = Metric(
            name=name,
            unit=unit,
            kind=self.choice(table, where, "kind", Kind),
            deadband=float(self.take(table, where, "deadband", float, 0.0)),
            heartbeat_s=float(self.take(table, where, "heartbeat_s", float, 300.0)),
        )
        if metric.deadband < 0 or metric.heartbeat_s <= 0:
            raise self.wrong(
                where, "deadband and heartbeat_s are not negative", "deadband và heartbeat_s không được âm"
            )
        meanings = dict(self.take(table, where, "words", dict, {}))
        if meanings and metric.kind is not Kind.TEXT:
            raise self.wrong(f"{where}words", "only text values have words", "chỉ giá trị kiểu text mới có words")
        result = MetricProfile(
            metric,
            self.words(table, where),
            self.take(table, where, "chart", bool, default=False),
            {value: self.words(meanings, f"{where}words.", value) for value in tuple(meanings)},
        )
        self.done(table, where)
        return result

    def action(self, name: str, table: dict[str, Any]) -> Action:
        where = f"actions.{name}."
        check_name(name, where)
        args = dict(self.take(table, where, "args", dict, {}))
        result = Action(
            name=name,
            label=self.words(table, where),
            guarded=self.take(table, where, "guarded", bool, default=False),
            destructive=self.take(table, where, "destructive", bool, default=False),
            file=self.take(table, where, "file", bool, default=False),
            args={key: self.choice(args, f"{where}args.", key, Kind) for key in tuple(args)},
        )
        self.done(table, where)
        if result.file and (result.args.get(DIGEST) is not Kind.TEXT or PATH in result.args):
            raise self.wrong(
                f"{where}args",
                f"a job file is named by {DIGEST} = 'text'; {PATH} is the agent's to give",
                f"tệp gửi máy được gọi bằng {DIGEST} = 'text'; {PATH} do agent thêm",
            )
        return result

    def alert(self, table: dict[str, Any], metrics: Mapping[str, MetricProfile]) -> AlertRule:
        name = self.take(table, "alerts.", "metric", str)
        where = f"alerts.{name}."
        if pattern_for(name, metrics) is None:
            raise self.wrong(where, "no such metric", "không có đại lượng này")
        limits = {key: table.pop(key, None) for key in ("above", "below", "equals", "clear")}
        if sum(limits[key] is not None for key in ("above", "below", "equals")) != 1:
            raise self.wrong(where, "exactly one of above, below, equals", "đúng một trong above, below, equals")
        rule = AlertRule(
            metric=name,
            level=self.choice(table, where, "level", Level),
            label=self.words(table, where),
            for_s=float(self.take(table, where, "for_s", float, 0.0)),
            **limits,
        )
        self.done(table, where)
        return rule

    def upkeep(self, table: dict[str, Any], where: str, metrics: Mapping[str, MetricProfile]) -> Upkeep:
        upkeep = Upkeep(
            name=self.take(table, where, "name", str),
            label=self.words(table, where),
            metric=self.take(table, where, "metric", str),
            every=float(self.take(table, where, "every", float)),
        )
        self.done(table, where)
        if pattern_for(upkeep.metric, metrics) is None:
            raise self.wrong(f"{where}{upkeep.name}", "no such metric", "không có đại lượng này")
        return upkeep

    def booking(self, table: dict[str, Any]) -> Booking:
        where = "booking."
        booking = Booking(
            hazard=self.take(table, where, "hazard", int, 0),
            setup_min=self.take(table, where, "setup_min", int, 0),
            clean_up_min=self.take(table, where, "clean_up_min", int, 0),
            certificate=self.take(table, where, "certificate", str, ""),
            power_w=self.take(table, where, "power_w", int, 0),
            after_lease=self.take(table, where, "after_lease", str, "finish"),
        )
        self.done(table, where)
        if not 0 <= booking.hazard <= 3 or booking.after_lease not in ("finish", "pause", "stop"):
            raise self.wrong(
                "booking",
                "hazard is 0 to 3, after_lease is finish, pause or stop",
                "hazard từ 0 đến 3, after_lease là finish, pause hoặc stop",
            )
        return booking

    def recognise(self, table: dict[str, Any]) -> Recognise:
        where = "recognise."
        result = Recognise(
            usb=tuple(self.take(table, where, "usb", list, [])),
            **{key: self.take(table, where, key, str, "") for key in _TEXTS},
        )
        self.done(table, where)
        if not all(isinstance(each, str) and _USB_ID.fullmatch(each) for each in result.usb):
            raise self.wrong(
                f"{where}usb",
                "each is VID:PID in lower-case hexadecimal digits, such as 2341:0043",
                "mỗi mục là VID:PID bằng chữ số thập lục phân viết thường, ví dụ 2341:0043",
            )
        return result
