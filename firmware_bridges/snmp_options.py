"""What the SNMP bridge is told: how to prove who asks, and what to ask besides the standard MIBs. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from firmware_bridges.options import Options
from firmware_bridges.snmp_core import Ask, How
from firmware_bridges.snmp_mibs import MIBS

_OID = re.compile(r"[0-2](?:\.\d{1,10}){2,127}")
_METRIC = re.compile(r"[a-z][a-z0-9-]{0,40}")
_SHORTEST_PASSWORD = 8
"""Characters (RFC 3414, section 11.2)."""
AUTH: Final = ("", "md5", "sha", "sha224", "sha256", "sha384", "sha512")
PRIVACY: Final = ("", "des", "aes")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of SNMPv2c a community, of SNMPv3 a user: without `auth` nothing is signed, without `privacy` nothing hidden."""

    version: str = "2c"
    community: str = "public"
    user: str = ""
    auth: str = ""
    auth_password: str = ""
    privacy: str = ""
    privacy_password: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """`timeout_s` is how long an answer is waited for, with a repeat each third of it; `trap_port` 0: no traps."""

    credentials: Credentials
    asks: tuple[Ask, ...]
    timeout_s: float
    trap_port: int


def settings(options: Mapping[str, Any]) -> Settings:
    """Raises ValueError, naming the option."""
    given = Options(options)
    who = Credentials(
        version=given.text("version", "2c"),
        community=given.text("community", "public"),
        user=given.text("user"),
        auth=given.text("auth"),
        auth_password=given.text("auth_password"),
        privacy=given.text("privacy"),
        privacy_password=given.text("privacy_password"),
    )
    mibs = given.texts("mibs", ("system",))
    asks = [ask for mib in mibs for ask in _mib(mib)]
    asks += [_single(metric, dict(each)) for metric, each in _tables("single", given.table("single"))]
    asks += [ask for name, each in _tables("table", given.table("table")) for ask in _table(name, each)]
    timeout_s = given.number("timeout_s", 3.0, 0.1, 60)
    trap_port = given.whole("trap_port", 0, 0, 65_535)
    given.done()
    _check(who)
    return Settings(who, tuple(asks), timeout_s, trap_port)


def _check(who: Credentials) -> None:
    for option, value, known in (
        ("version", who.version, ("2c", "3")),
        ("auth", who.auth, AUTH),
        ("privacy", who.privacy, PRIVACY),
    ):
        if value not in known:
            raise ValueError(f"{option}: {value!r} is none of {', '.join(filter(None, known))}")
    if who.version == "3" and not 0 < len(who.user.encode()) <= 32:
        raise ValueError("user: SNMPv3 wants one of 1 to 32 bytes")
    if who.privacy and not who.auth:
        raise ValueError("privacy: SNMPv3 hides nothing that is not signed: auth is missing")
    for option, wanted, password in (
        ("auth_password", who.auth, who.auth_password),
        ("privacy_password", who.privacy, who.privacy_password),
    ):
        if wanted and len(password) < _SHORTEST_PASSWORD:
            raise ValueError(f"{option}: a password of SNMPv3 has at least {_SHORTEST_PASSWORD} characters")


def _mib(name: str) -> tuple[Ask, ...]:
    if name not in MIBS:
        raise ValueError(f"mibs: {name!r} is none of {', '.join(MIBS)}")
    return MIBS[name]


def _tables(option: str, tables: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, each in tables.items():
        if not isinstance(each, Mapping):
            raise ValueError(f"{option}.{name}: {each!r} is no table")  # noqa: TRY004 - as Options says it
        if not _METRIC.fullmatch(name):
            raise ValueError(f"{option}.{name}: a name has small letters, digits and hyphens")
        yield name, each


def _table(name: str, table: Mapping[str, Any]) -> Iterator[Ask]:
    """`[options.table.radio]`: `label`, a column, and `columns`, each a metric `radio-*-<its name>`."""
    where = f"table.{name}."
    given = Options(table, where)
    label = given.text("label")
    if label:
        _check_oid(f"{where}label", label)
    for column, each in _tables(f"{where}columns", given.table("columns")):
        yield _ask(f"{name}-*-{column}", each, f"{where}columns.{column}.", label)
    given.done()


def _single(metric: str, table: Mapping[str, Any]) -> Ask:
    return _ask(metric, table, f"single.{metric}.", "")


def _ask(metric: str, table: Mapping[str, Any], where: str, label: str) -> Ask:
    given = Options(table, where)
    how = given.text("how", How.NUMBER.value)
    if how not in tuple(How):
        raise ValueError(f"{where}how: {how!r} is none of {', '.join(How)}")
    ask = Ask(
        metric,
        given.text("oid"),
        How(how),
        factor=given.number("factor", 1, -1e9, 1e9),
        equals=given.whole("equals", 1, -(2**31), 2**31 - 1),
        codes=_codes(f"{where}codes", given.table("codes")),
        of=given.text("of"),
        labels=(label,) if label else (),
    )
    given.done()
    _check_oid(f"{where}oid", ask.oid)
    if ask.of or ask.how is How.PERCENT:
        _check_oid(f"{where}of", ask.of)
    if "*" in metric and ask.single:
        raise ValueError(f"{where}oid: {ask.oid} is a single value and no column")
    return ask


def _codes(where: str, table: Mapping[str, Any]) -> dict[int, str]:
    if not all(key.isascii() and key.isdigit() and isinstance(value, str) for key, value in table.items()):
        raise ValueError(f"{where}: wants names by number, 1 = 'up'")
    return {int(key): value for key, value in table.items()}


def _check_oid(where: str, oid: str) -> None:
    if not _OID.fullmatch(oid) or any(int(part) >= 2**32 for part in oid.split(".")):
        raise ValueError(f"{where}: {oid!r} is no OID such as 1.3.6.1")
