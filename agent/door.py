"""The controller's door: a few questions over HTTPS, before an agent may speak to the broker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.errors import EnrolmentRefused, NotTrusted
from agent.pinned import does_not_answer, does_not_hold
from device_profiles.profile import Words

if TYPE_CHECKING:
    from http.client import HTTPConnection

_TIMEOUT_S = 15.0
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and what came with it; nothing if that was no JSON object."""

    code: int
    given: Mapping[str, Any]

    @property
    def reason(self) -> str:
        return str(self.given.get("detail", ""))[:300]


class Door:
    """`authority` (PEM) is all that is believed over https; empty: the system's authorities. Plain http stays here."""

    def __init__(self, url: str, authority: str = "") -> None:
        self.url = url.rstrip("/")
        self.authority = authority
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EnrolmentRefused(
                Words(
                    f"{url}: the address must begin with http:// or https://",
                    f"{url}: địa chỉ phải bắt đầu bằng http:// hoặc https://",
                )
            )
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise NotTrusted(
                Words(
                    f"{url}: over a network only https:// is taken; anybody could read along",
                    f"{url}: qua mạng chỉ dùng https://; nếu không, ai cũng đọc được",
                )
            )

    def get(self, path: str) -> Answer:
        return self._say("GET", path, b"")

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Raises Unreachable, NotTrusted."""
        return self._say("POST", path, json.dumps(body).encode())

    def _say(self, method: str, path: str, body: bytes) -> Answer:
        import ssl
        from http.client import HTTPException

        connection = self._connection()
        try:
            connection.request(method, path, body or None, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return Answer(response.status, _read(response.read(_MOST_BYTES)))
        except ssl.SSLError as error:
            raise does_not_hold(self.url, error.reason or error) from None
        except (OSError, HTTPException) as error:
            raise does_not_answer(self.url, error) from None
        finally:
            connection.close()

    def _connection(self) -> "HTTPConnection":
        from http.client import HTTPConnection, HTTPSConnection

        from agent.pinned import pinned_connection

        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return HTTPConnection(host, parts.port or 80, timeout=_TIMEOUT_S)
        if self.authority:
            return pinned_connection(self.url, self.authority, _TIMEOUT_S)
        return HTTPSConnection(host, parts.port or 443, timeout=_TIMEOUT_S)


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
