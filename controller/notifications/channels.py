"""The kinds of channels: what somebody fills in for each, and the Apprise address that comes of it. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from controller.notifications.errors import WrongField
from controller.notifications.reachable import is_public

MOST: Final = 1_000
"""Letters of a field at the most."""


class ChannelKind(StrEnum):
    """These names are kept."""

    ZALO_OA = "zalo-oa"
    ZALO_BOT = "zalo-bot"
    EMAIL = "email"
    TELEGRAM = "telegram"
    TEAMS = "teams"
    GOOGLE_CHAT = "google-chat"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Part:
    """A field of a channel. `secret`: never shown again. `own`: only for who uses an account of their own."""

    name: str
    secret: bool = False
    required: bool = True
    own: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server. `security` is `starttls`, `tls` or `none`."""

    host: str
    port: int
    security: str
    user: str
    password: str
    sender: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What the administrator has set up for everybody, and whether private addresses may be sent to."""

    mail: Mail | None = None
    zalo: bool = False
    private: bool = False


SECURITY: Final = ("starttls", "tls", "none")
_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
_OWN_SERVER: Final = (
    Part("host", own=True),
    Part("security", own=True, options=SECURITY),
    Part("port", own=True, required=False),
    Part("user", own=True, required=False),
    Part("password", own=True, required=False, secret=True),
    Part("sender", own=True, required=False),
)
PARTS: Final[Mapping[ChannelKind, tuple[Part, ...]]] = {
    ChannelKind.ZALO_OA: (
        Part("user_id"),
        Part("app_id", own=True),
        Part("secret_key", own=True, secret=True),
        Part("refresh_token", own=True, secret=True),
    ),
    ChannelKind.ZALO_BOT: (Part("chat_id"), Part("token", secret=True)),
    ChannelKind.EMAIL: (Part("to"), *_OWN_SERVER),
    ChannelKind.TELEGRAM: (Part("chat_id"), Part("token", secret=True)),
    ChannelKind.TEAMS: (Part("url", secret=True),),
    ChannelKind.GOOGLE_CHAT: (Part("url", secret=True),),
    ChannelKind.WEBHOOK: (Part("url", secret=True),),
}


def parts(kind: ChannelKind, given: Installation) -> tuple[Part, ...]:
    """What is to be filled in here: nothing of an account of one's own where the installation has one."""
    has = {ChannelKind.EMAIL: given.mail is not None, ChannelKind.ZALO_OA: given.zalo}
    return tuple(each for each in PARTS[kind] if not (each.own and has.get(kind, False)))


def filled(kind: ChannelKind, fields: Mapping[str, str], given: Installation) -> dict[str, str]:
    """The fields of a channel, as they are kept. Raises WrongField for the first that cannot be used."""
    kept = {}
    for part in parts(kind, given):
        text = fields.get(part.name, "").strip()
        if part.required and not text:
            raise WrongField(part.name, "empty")
        if len(text) > MOST or not text.isprintable():
            raise WrongField(part.name, "too-long")
        if part.options and text not in part.options:
            raise WrongField(part.name, "unknown")
        kept[part.name] = text
    _CHECKS[kind](kept, given)
    return kept


def address(kind: ChannelKind, fields: Mapping[str, str], given: Installation) -> str:
    """The Apprise address, with its secrets; empty for a Zalo OA, which Apprise does not know."""
    return _ADDRESSES[kind](fields, given)


def hint(kind: ChannelKind, fields: Mapping[str, str]) -> str:
    """How somebody knows it again, without its secrets: `h…@truong.edu.vn`, a host, the end of an id."""
    if kind is ChannelKind.EMAIL:
        name, _, domain = fields["to"].rpartition("@")
        return f"{name[:1]}…@{domain}"
    if "url" in fields:
        return urlsplit(fields["url"]).hostname or ""
    return f"…{(fields.get('user_id') or fields.get('chat_id', ''))[-4:]}"


# what can be used

_EMAIL: Final = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s.,;<>\"]+")
_TELEGRAM_TOKEN: Final = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
_TELEGRAM_CHAT: Final = re.compile(r"-?[0-9]+|@[A-Za-z][A-Za-z0-9_]{3,31}")
_ID: Final = re.compile(r"[A-Za-z0-9._-]+")
_DIGITS: Final = re.compile(r"[0-9]+")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]")
_TEAMS: Final = re.compile(
    r"https://(?P<host>[A-Za-z0-9_.-]+(?::[1-9][0-9]{0,4})?)"
    r"(?P<direct>/powerautomate/automations/direct(?:/cu/(?P<route>[0-9]+))?)?"
    r"/workflows/(?P<workflow>[A-Za-z0-9_-]+)/triggers/manual/paths/invoke/?\?(?P<query>.+)"
)
_GOOGLE: Final = re.compile(
    r"https://chat\.googleapis\.com/v1/spaces/(?P<space>[A-Za-z0-9_-]+)/messages/?\?(?P<query>.+)"
)


def _must(pattern: re.Pattern[str], fields: Mapping[str, str], name: str) -> None:
    if pattern.fullmatch(fields[name]) is None:
        raise WrongField(name, "malformed")


def _check_host(host: str, field: str, given: Installation) -> None:
    """A name is looked up when something is sent, and what it leads to is checked then; an address is checked here."""
    if not host or _HOST.fullmatch(f"[{host}]" if ":" in host else host) is None:
        raise WrongField(field, "malformed")
    try:
        ip_address(host)
        literal = True
    except ValueError:
        literal = False
    if not given.private and (host.lower().rstrip(".") == "localhost" or (literal and not is_public(host))):
        raise WrongField(field, "private")


def _check_url(fields: Mapping[str, str], given: Installation, schemes: frozenset[str]) -> None:
    try:
        url = urlsplit(fields["url"])
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise WrongField("url", "malformed") from None
    if url.scheme not in schemes:
        raise WrongField("url", "scheme")
    _check_host(host, "url", given)


def _check_email(fields: Mapping[str, str], given: Installation) -> None:
    _must(_EMAIL, fields, "to")
    if "host" not in fields:
        return
    _check_host(fields["host"], "host", given)
    port = fields["port"]
    if port and not (_DIGITS.fullmatch(port) and port.isascii() and 0 < int(port[:9]) < 65_536):
        raise WrongField("port", "malformed")
    if bool(fields["user"]) != bool(fields["password"]):
        raise WrongField("password" if fields["user"] else "user", "empty")
    if fields["sender"]:
        _must(_EMAIL, fields, "sender")
    elif _EMAIL.fullmatch(fields["user"]) is None:
        raise WrongField("sender", "empty")


def _check_zalo_oa(fields: Mapping[str, str], _: Installation) -> None:
    for name in ("user_id", "app_id"):
        if name in fields:
            _must(_DIGITS, fields, name)


def _check_bot(fields: Mapping[str, str], _: Installation) -> None:
    _must(_TELEGRAM_TOKEN, fields, "token")


def _check_telegram(fields: Mapping[str, str], given: Installation) -> None:
    _must(_TELEGRAM_CHAT, fields, "chat_id")
    _check_bot(fields, given)


def _check_zalo_bot(fields: Mapping[str, str], given: Installation) -> None:
    _must(_ID, fields, "chat_id")
    _check_bot(fields, given)


def _check_teams(fields: Mapping[str, str], given: Installation) -> None:
    _check_url(fields, given, frozenset({"https"}))
    found = _TEAMS.fullmatch(fields["url"])
    if found is None or not dict(parse_qsl(found["query"])).get("sig"):
        raise WrongField("url", "not-teams")


def _check_google(fields: Mapping[str, str], _: Installation) -> None:
    found = _GOOGLE.fullmatch(fields["url"])
    if found is None or not {"key", "token"} <= dict(parse_qsl(found["query"])).keys():
        raise WrongField("url", "not-google")


def _check_webhook(fields: Mapping[str, str], given: Installation) -> None:
    _check_url(fields, given, frozenset({"http", "https"}))


_CHECKS: Final[Mapping[ChannelKind, Callable[[Mapping[str, str], Installation], None]]] = {
    ChannelKind.ZALO_OA: _check_zalo_oa,
    ChannelKind.ZALO_BOT: _check_zalo_bot,
    ChannelKind.EMAIL: _check_email,
    ChannelKind.TELEGRAM: _check_telegram,
    ChannelKind.TEAMS: _check_teams,
    ChannelKind.GOOGLE_CHAT: _check_google,
    ChannelKind.WEBHOOK: _check_webhook,
}


# addresses


def _q(text: str) -> str:
    return quote(text, safe="")


def _email(fields: Mapping[str, str], given: Installation) -> str:
    mail = given.mail if "host" not in fields else own_mail(fields)
    if mail is None:
        raise WrongField("host", "empty")
    login = f"{_q(mail.user)}:{_q(mail.password)}@" if mail.user else ""
    mode = {"starttls": "starttls", "tls": "ssl", "none": "insecure"}[mail.security]
    query = urlencode({"from": mail.sender, "to": fields["to"], "smtp": mail.host, "mode": mode, "format": "text"})
    host = f"[{mail.host}]" if ":" in mail.host else mail.host
    return f"{'mailto' if mail.security == 'none' else 'mailtos'}://{login}{host}:{mail.port}?{query}"


def own_mail(fields: Mapping[str, str]) -> Mail:
    """The mail server of a channel that has its own."""
    security = fields["security"]
    port = int(fields["port"]) if fields["port"] else _PORTS[security]
    sender = fields["sender"] or fields["user"]
    return Mail(fields["host"], port, security, fields["user"], fields["password"], sender)


def _telegram(fields: Mapping[str, str], _: Installation) -> str:
    return f"tgram://{fields['token']}/{_q(fields['chat_id'])}/?format=text"


def _zalo_bot(fields: Mapping[str, str], _: Installation) -> str:
    return f"zalo://{fields['token']}/{_q(fields['chat_id'])}?format=text"


def _teams(fields: Mapping[str, str], _: Installation) -> str:
    found = _TEAMS.fullmatch(fields["url"])
    if found is None:
        raise WrongField("url", "not-teams")
    asked = dict(parse_qsl(found["query"]))
    more = {"pa": "yes" if found["direct"] else "no"}
    if asked.get("api-version"):
        more["ver"] = asked["api-version"]
    if found["route"]:
        more["route"] = found["route"]
    return f"workflows://{found['host']}/{_q(found['workflow'])}/{_q(asked['sig'])}/?{urlencode(more)}"


def _google(fields: Mapping[str, str], _: Installation) -> str:
    found = _GOOGLE.fullmatch(fields["url"])
    if found is None:
        raise WrongField("url", "not-google")
    asked = dict(parse_qsl(found["query"]))
    return f"gchat://{found['space']}/{_q(asked['key'])}/{_q(asked['token'])}/?format=text"


def _webhook(fields: Mapping[str, str], _: Installation) -> str:
    """Apprise takes parameters that the far end is to get with a minus before their names."""
    url = urlsplit(fields["url"])
    query = urlencode({f"-{name}": value for name, value in parse_qsl(url.query, keep_blank_values=True)})
    scheme = "jsons" if url.scheme == "https" else "json"
    return f"{scheme}://{url.netloc}{url.path or '/'}" + (f"?{query}" if query else "")


_ADDRESSES: Final[Mapping[ChannelKind, Callable[[Mapping[str, str], Installation], str]]] = {
    ChannelKind.ZALO_OA: lambda _fields, _given: "",
    ChannelKind.ZALO_BOT: _zalo_bot,
    ChannelKind.EMAIL: _email,
    ChannelKind.TELEGRAM: _telegram,
    ChannelKind.TEAMS: _teams,
    ChannelKind.GOOGLE_CHAT: _google,
    ChannelKind.WEBHOOK: _webhook,
}
