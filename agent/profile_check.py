"""Looks at the file of one device profile as the agent would load it, and says in plain words what is wrong. Pure."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.findings import NOTHING, Verdict
from agent.reason_words import vietnamese
from device_profiles.known import allowed
from device_profiles.profile import DeviceProfile, ProfileError, Words, parse
from firmware_bridges import BRIDGES, bridge_for

SOMEWHERE: Final[Mapping[str, str]] = {
    "firmata": "/dev/ttyACM0",
    "grbl": "/dev/ttyUSB0",
    "host": "",
    "line_protocol": "tcp://192.0.2.1:4660",
    "marlin": "/dev/ttyUSB0",
    "micropython": "/dev/ttyACM0",
    "moonraker": "http://192.0.2.1",
    "mqtt_device": "mqtt://192.0.2.1/air-206",
    "network": "",
    "octoprint": "http://192.0.2.1",
    "pjlink": "tcp://192.0.2.1",
    "prusalink": "http://192.0.2.1",
    "samsung_mdc": "tcp://192.0.2.1",
    "simulated": "sim:check",
    "smart_plug": "http://192.0.2.1",
    "snmp": "udp://192.0.2.1",
}
"""An endpoint of the kind that each bridge takes; nothing is asked there."""
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_HEADER = re.compile(r"\s*\[\[?\s*([^]]+?)\s*\]\]?\s*(?:#.*)?$")
_LISTS: Final = frozenset({"alerts", "consumables", "services"})


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about the file. `line` counts from 1, 0 if it is not of one; `key` is empty if it is of the whole."""

    verdict: Verdict
    line: int
    key: str
    says: Words
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """`profile` is None if the agent would not load it."""

    profile: DeviceProfile | None
    remarks: tuple[Remark, ...]

    @property
    def good(self) -> bool:
        return all(each.verdict is not Verdict.BAD for each in self.remarks)


def check(slug: str, text: str) -> Checked:
    """Load the profile, make its bridge, and look at what a reader of it would doubt."""
    try:
        profile = parse(slug, text)
    except ProfileError as error:
        return Checked(None, (_not_loaded(error, text),))
    return Checked(profile, (*_bridge(profile, text), *_files(profile, text), *_sources(profile, text)))


def _not_loaded(error: ProfileError, text: str) -> Remark:
    at = _TOML_LINE.search(error.why.en)
    line = int(at[1]) if at else line_of(text, error.where)
    return Remark(Verdict.BAD, line, error.where, error.why, allowed(error.where) if error.where else ())


def _bridge(profile: DeviceProfile, text: str) -> Iterator[Remark]:
    """Whether there is such a bridge, and whether it takes the options."""
    if profile.bridge not in BRIDGES:
        says = Words(f"there is no bridge {profile.bridge!r}", f"không có trình điều khiển {profile.bridge!r}")
        yield Remark(Verdict.BAD, line_of(text, "bridge"), "bridge", says, tuple(BRIDGES))
        return
    try:
        bridge_for(profile.bridge, SOMEWHERE[profile.bridge], profile.options)
    except ValueError as error:
        name, _, why = str(error).partition(": ")
        key = f"options.{name}" if why else "options"
        yield Remark(Verdict.BAD, line_of(text, key), key, Words(why or name, vietnamese(why or name)))


def _files(profile: DeviceProfile, text: str) -> Iterator[Remark]:
    """What prints or cuts takes no file while nobody has said what a file may ask for."""
    for name in ("print", "cut"):
        if name in profile.actions and "limits" not in profile.options:
            key = f"actions.{name}"
            says = Words(
                "without [options.limits] no file is taken", "thiếu [options.limits] nên máy chưa nhận tệp nào"
            )
            yield Remark(Verdict.DOUBTFUL, line_of(text, key), key, says)


def _sources(profile: DeviceProfile, text: str) -> Iterator[Remark]:
    if profile.source is None:
        says = Words(
            "no source: nobody can look up where its commands and figures come from",
            "chưa ghi nguồn: không tra được lệnh và số liệu lấy từ đâu",
        )
        yield Remark(Verdict.DOUBTFUL, line_of(text, "verified"), "source", says)
    if profile.verified is None:
        says = Words(
            "unverified: it was never driven against a machine or an emulator, and the page says so",
            "hồ sơ chưa kiểm chứng: chưa chạy thử với máy hay trình giả lập nào, và trang sẽ ghi như vậy",
        )
        yield Remark(Verdict.DOUBTFUL, 0, "verified", says)


def line_of(text: str, where: str) -> int:
    """The line of a key, else of the nearest table around it; 0 if there is none."""
    parts = where.split(".")
    table: list[str] = []
    nearest, entry = 0, False
    for line, content in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(content):
            table, entry = _names(header[1]), False
            nearest = line if _around(table, parts) else nearest
        elif _around(table, parts) and _key(content) == parts[len(table)]:
            return line
        elif table == parts[:1] and parts[0] in _LISTS:
            if entry and _key(content) == "".join(parts[2:3]):
                return line
            entry = entry or (_key(content) in ("metric", "name") and _tells(content, parts))
            nearest = nearest or (line if entry else 0)
    return nearest


def _around(table: list[str], parts: list[str]) -> bool:
    """Whether the key stands in the table. An entry of a list is known by what stands in it, not by its header."""
    in_list = bool(table) and table[0] in _LISTS
    return not in_list and len(table) < len(parts) and parts[: len(table)] == table


def _tells(content: str, parts: list[str]) -> bool:
    return len(parts) > 1 and content.partition("=")[2].strip().strip("\"'") == parts[1]


def _names(header: str) -> list[str]:
    return [part.strip().strip("\"'") for part in header.split(".")]


def _key(content: str) -> str:
    """The first part of the key that the line gives a value to; empty if it gives none."""
    name, equals, _ = content.partition("=")
    return name.strip().split(".")[0].strip("\"' ") if equals else ""


def report(name: str, remark: Remark) -> Words:
    """One line for a person: file, line, key, what is wrong, what is allowed."""
    place = f"{name}:{remark.line}" if remark.line else name
    kinds = {
        Verdict.BAD: Words("error", "lỗi"),
        Verdict.DOUBTFUL: Words("warning", "cảnh báo"),
        Verdict.GOOD: NOTHING,
    }[remark.verdict]
    told = ", ".join(remark.allowed)
    may = Words(f"; allowed: {told}", f"; được dùng: {told}") if told else NOTHING
    key = f"{remark.key}: " if remark.key else ""
    return Words(
        f"{place}: {kinds.en}: {key}{remark.says.en}{may.en}", f"{place}: {kinds.vi}: {key}{remark.says.vi}{may.vi}"
    )


def options_of(given: list[str]) -> dict[str, Any]:
    """`NAME=VALUE` each: VALUE as TOML has it, else a text. Raises ValueError."""
    found: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise ValueError(f"{each!r} is not NAME=VALUE")
        try:
            found[name] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            found[name] = value
    return found
