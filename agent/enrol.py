"""Enrolment: trade a token for this agent's credentials, waiting for a person's word if the controller wants one."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.door import Answer, Door
from agent.errors import EnrolmentRefused
from agent.hardware import host_root
from agent.identity import Identity, keep_identity, new_identity, read_identity
from agent.pinned import authority_at, fingerprint_of, vouches
from agent.put_aside import put_aside
from contract.model import MAX_NAME, ContractError, check_name
from contract.topics import Address
from device_profiles.profile import Words

_DOOR = "/api/v1/enrol"
_ASK_AGAIN_S = 5.0
_MARK = 4
_REFUSALS: Mapping[str, str] = {
    "token-refused": "mã thêm agent này không đúng, đã dùng hết hoặc đã hết hạn; hãy xin kỹ thuật viên một mã mới",
    "not-admitted": "máy này chưa được cho vào, hoặc đã có người từ chối; hãy xem trang Agent",
    "name-taken": "trường đã có agent tên này; hãy chọn tên khác bằng --name, hoặc --replace để thay máy cũ",
    "copied-identity": "danh tính này là của một máy tính khác",
    "malformed": "máy chủ không đọc được yêu cầu; agent và máy chủ có thể khác phiên bản",
    "429": "quá nhiều mã bị từ chối từ địa chỉ này; hãy chờ năm phút rồi thử lại",
}
"""In Vietnamese, by the controller's code, or by the status of an answer without one."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the controller gave, and the `url` it was reached at. `lease_key` is hexadecimal.

    `authority` is whom to believe at the broker, PEM; `door_authority` at the url: the same one, or a proxy's own;
    empty: the system's.
    After a lost connection the agent comes back within `spread_s`, at its own `place` (0 to 1) in it.
    """

    url: str
    address: Address
    broker_host: str
    broker_port: int
    broker_tls: bool
    user: str
    password: str
    lease_key: str
    number: int = 0
    authority: str = ""
    door_authority: str = ""
    spread_s: float = 0.0
    place: float = 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `own_name`: `name` was not typed in for this computer, another one like it will do."""

    url: str
    token: str
    name: str
    replace: bool = False
    own_name: bool = False


def default_name(source: str = "hostname") -> str:
    """The computer's name, or its serial number, in lower case letters, digits and hyphens."""
    text = socket.gethostname() if source == "hostname" else _serial()
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower())
    return letters.strip("-")[:MAX_NAME] or "agent"


def _serial() -> str:
    for name in ("sys/class/dmi/id/product_serial", "sys/firmware/devicetree/base/serial-number"):
        try:
            text = (host_root() / name).read_text("utf-8", "replace").strip("\0 \n")
        except OSError:
            continue
        if text:
            return text
    raise EnrolmentRefused(
        Words(
            "this computer's serial number cannot be read; use --name-from hostname, or --name",
            "không đọc được số sê-ri của máy này; hãy dùng --name-from hostname, hoặc --name",
        )
    )


def enrol(wish: Wish, state: Path, waiting: Callable[[str], None], rest: Callable[[float], None]) -> Enrolled:
    """Ask until there is an answer. `waiting` is told, once each, what the controller waits for.

    The key is on disk before it is shown, so that an answer that gets lost can be asked for again. Raises
    EnrolmentRefused, NotTrusted, Unreachable with a message for the user; WrongConfig, OSError.
    """
    door = open_door(wish.url, wish.token)
    identity = read_identity(state)
    if identity is None:
        identity = keep_identity(state, new_identity(_salt(door)))
    told = ""
    while True:
        answer = door.post(_DOOR, _question(wish, identity))
        if answer.code == 201:
            made = read_enrolled(answer.given, door)
            return replace(made, door_authority=_vouching(door, made.authority))
        if answer.code == 202:
            if answer.given.get("waiting") != told:
                told = str(answer.given.get("waiting"))
                waiting(told)
            rest(_ASK_AGAIN_S)
            continue
        code = answer.given.get("code", "")
        if code == "copied-identity":  # this folder came here with an image; the computer it was made on has the key
            put_aside(state, "copied")
            identity = keep_identity(state, new_identity(_salt(door)))
        elif code == "name-taken" and wish.own_name and not wish.name.endswith(_mark(identity)):
            wish = replace(wish, name=f"{wish.name[: MAX_NAME - _MARK - 1]}{_mark(identity)}")
        else:
            raise refused(answer)


def open_door(url: str, token: str) -> Door:
    """Nothing is said before the authority behind the server has the fingerprint that the token carries."""
    fingerprint = token.partition(".")[2]
    if not fingerprint or not url.startswith("https://"):
        return Door(url)
    return Door(url, authority_at(url, fingerprint_of(fingerprint)))


def _vouching(door: Door, authority: str) -> str:
    """The broker's authority if it vouches for the door as well, for it is kept up to date; else who did."""
    if not door.url.startswith("https://"):
        return ""
    return authority if authority and vouches(authority, door.url) else door.authority


def _salt(door: Door) -> str:
    answer = door.get(_DOOR)
    if answer.code != 200 or not isinstance(answer.given.get("salt"), str):
        raise _stranger(door, answer.code)
    return str(answer.given["salt"])


def _question(wish: Wish, identity: Identity) -> Mapping[str, Any]:
    return {
        "token": wish.token,
        "agent": wish.name,
        "key": identity.key,
        "machine": identity.facts(),
        "replace": wish.replace,
    }


def _mark(identity: Identity) -> str:
    """Tells computers of one name apart."""
    return f"-{identity.instance[:_MARK]}"


def read_enrolled(given: Mapping[str, Any], door: Door) -> Enrolled:
    """Raises EnrolmentRefused."""
    try:
        return Enrolled(
            url=door.url,
            address=Address(given["school"], given["agent"]),
            broker_host=str(given["broker_host"]),
            broker_port=int(given["broker_port"]),
            broker_tls=given["broker_tls"] is True,
            user=str(given["user"]),
            password=str(given["password"]),
            lease_key=bytes.fromhex(given["lease_key"]).hex(),
            number=int(given.get("credentials", 0)),
            authority=str(given.get("authority", "")) or door.authority,
            spread_s=float(given.get("spread_s", 0)),
            place=float(given.get("place", 0)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _stranger(door, error) from None


def refused(answer: Answer) -> EnrolmentRefused:
    """In the controller's own words if there are none here for its code, which then are English."""
    vi = _REFUSALS.get(str(answer.given.get("code", "")) or str(answer.code), answer.reason or "không nêu lý do")
    return EnrolmentRefused(
        Words(
            f"the controller refused ({answer.code}): {answer.reason or 'no reason given'}",
            f"máy chủ từ chối ({answer.code}): {vi}",
        )
    )


def _stranger(door: Door, error: object) -> EnrolmentRefused:
    return EnrolmentRefused(
        Words(
            f"{door.url} answered what no controller of Fabfleet answers: {error}",
            f"{door.url} trả lời không giống máy chủ Fabfleet: {error}",
        )
    )


def checked_name(name: str) -> str:
    """Raises EnrolmentRefused for a name no agent may have."""
    try:
        check_name(name, "name")
    except ContractError as error:
        vi = f"{name[:MAX_NAME]!r} không dùng làm tên được: chỉ gồm chữ thường không dấu a-z, chữ số và gạch nối"
        raise EnrolmentRefused(Words(str(error), vi)) from None
    return name
