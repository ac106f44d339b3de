"""Plugs with a meter, as Tasmota (HTTP commands) and Shelly Gen2 (RPC over HTTP, digest) document them."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_QUOTED = re.compile(r'(\w+)="?([^",]*)"?')
_REALM, _NONCE = "shellyplusplugs-d4d4da000001", "60dc59c6"


@dataclass(slots=True)
class Plug:
    """What is plugged in, and a password if there is one. `answer` is given method, target, headers and body."""

    answer: "Callable[[Plug, str, str, Mapping[str, str], bytes], tuple[str, str, bytes]]"
    state: dict[str, str] = field(
        default_factory=lambda: {"on": "1", "watts": "0.0", "kwh": "1.5", "password": "-", "chunked": "0"}
    )
    stuck: bool = False
    came: dict[int, bytes] = field(default_factory=dict)

    def switch(self, on: bool) -> None:
        if not self.stuck:
            self.state["on"] = str(int(on))

    @property
    def password(self) -> str:
        return self.state["password"].strip("-")

    def receive(self, caller: int, data: bytes) -> bytes:
        kept = self.came.get(caller, b"") + data
        head, end, body = kept.partition(b"\r\n\r\n")
        length = int(match[1]) if (match := _LENGTH.search(head)) else 0
        if not end or len(body) < length:
            self.came[caller] = kept
            return b""
        self.came[caller] = body[length:]
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status, extra, told = self.answer(self, method, target, headers, body[:length])
        if self.state["chunked"] == "1":
            middle = len(told) // 2
            parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (told[:middle], told[middle:]) if part)
            return f"HTTP/1.1 {status}\r\n{extra}Transfer-Encoding: chunked\r\n\r\n".encode() + parts + b"0\r\n\r\n"
        return f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(told)}\r\n\r\n".encode() + told


def tasmota(plug: Plug, method: str, target: str, _headers: Mapping[str, str], _body: bytes) -> tuple[str, str, bytes]:
    asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    if method != "GET" or urlsplit(target).path != "/cm":
        return "404 Not Found", "", b"File Not Found"
    if plug.password and (asked.get("user"), asked.get("password")) != ("admin", plug.password):
        return "401 Unauthorized", "", json.dumps({"WARNING": "Need user=<username>&password=<password>"}).encode()
    power = "ON" if plug.state["on"] == "1" else "OFF"
    match asked.get("cmnd", "").lower().split():
        case ["power", on]:
            plug.switch(on in ("on", "1"))
            told: Any = {"POWER": "ON" if on in ("on", "1") else "OFF"}
        case ["status", "2"]:
            told = {"StatusFWR": {"Version": "14.2.0(tasmota)", "Hardware": "ESP8285N08"}}
        case ["status", "8" | "10"]:
            watts = float(plug.state["watts"]) if power == "ON" else 0.0
            energy = {
                "Total": float(plug.state["kwh"]),
                "Power": watts,
                "Voltage": 231,
                "Current": round(watts / 231, 3),
            }
            told = {"StatusSNS": {"Time": "2026-11-23T09:00:00", "ENERGY": energy}}
        case ["status", "11"]:
            told = {"StatusSTS": {"Uptime": "0T01:00:00", "POWER": power, "Wifi": {"RSSI": 80, "Signal": -60}}}
        case _:
            told = {"Command": "Unknown"}
    return "200 OK", "Content-Type: application/json\r\n", json.dumps(told).encode()


def shelly(plug: Plug, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[str, str, bytes]:
    if (method, target) != ("POST", "/rpc"):
        return "404 Not Found", "", b"Not Found"
    if plug.password and not _proven(plug.password, method, headers.get("authorization", "")):
        challenge = f'Digest qop="auth", realm="{_REALM}", nonce="{_NONCE}", algorithm=SHA-256'
        return "401 Unauthorized", f"WWW-Authenticate: {challenge}\r\n", b""
    asked = json.loads(body)
    on = plug.state["on"] == "1"
    frame: dict[str, Any] = {"id": asked["id"], "src": _REALM}
    match asked["method"]:
        case "Shelly.GetDeviceInfo":
            frame["result"] = {"id": _REALM, "model": "SNPL-00112EU", "gen": 2, "ver": "1.4.4", "auth_en": False}
        case "Switch.GetStatus":
            watts = float(plug.state["watts"]) if on else 0.0
            frame["result"] = {
                "id": 0, "source": "init", "output": on, "apower": watts, "voltage": 231.2, "current": watts / 231.2,
                "aenergy": {"total": 1000 * float(plug.state["kwh"]), "by_minute": [0.0, 0.0, 0.0], "minute_ts": 1},
                "temperature": {"tC": 41.5, "tF": 106.7},
            }  # fmt: skip
        case "Switch.Set":
            plug.switch(bool(asked["params"]["on"]))
            frame["result"] = {"was_on": on}
        case method_name:
            frame["error"] = {"code": 404, "message": f"No handler for {method_name}"}
    return "200 OK", "Content-Type: application/json\r\n", json.dumps(frame).encode()


def _proven(password: str, method: str, header: str) -> bool:
    """Digest by RFC 7616 with SHA-256, the user is admin."""
    given = dict(_QUOTED.findall(header.removeprefix("Digest ")))
    ha1 = _sha256(f"admin:{_REALM}:{password}")
    ha2 = _sha256(f"{method}:{given.get('uri')}")
    count, client = given.get("nc"), given.get("cnonce")
    return given.get("response") == _sha256(f"{ha1}:{_NONCE}:{count}:{client}:auth:{ha2}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


KINDS: Mapping[str, Callable[[], Plug]] = {"tasmota": lambda: Plug(tasmota), "shelly": lambda: Plug(shelly)}
"""By the name that the equipment is started with."""
