"""HTTPS to a controller whose authority is known by its fingerprint alone: how trust begins at enrolment."""

import base64
import hashlib
import hmac
import socket
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.errors import NotTrusted, Unreachable
from device_profiles.profile import Words

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPSConnection

_TIMEOUT_S = 15.0
_DIGITS = 64


def fingerprint_of(text: str) -> str:
    """A SHA-256 as people copy it: colons, spaces and capitals do not matter. Raises NotTrusted if it is none."""
    digits = "".join(text.split()).replace(":", "").lower().removeprefix("sha256")
    if len(digits) != _DIGITS or not all(digit in "0123456789abcdef" for digit in digits):
        raise NotTrusted(
            Words(
                f"{text[:100]!r} is no SHA-256 fingerprint: 64 hexadecimal digits are wanted",
                f"{text[:100]!r} không phải dấu vân tay SHA-256: cần 64 chữ số thập lục phân; hãy chép lại cả mã",
            )
        )
    return digits


def authority_at(url: str, fingerprint: str, timeout_s: float = _TIMEOUT_S) -> str:
    """The certificate, PEM, of the authority of this fingerprint that vouches for the server at `url`.

    Nothing was said to the server so far. When this returns, the whole chain has been verified from that authority
    down, with the server's name and the dates. Raises NotTrusted if it does not hold, Unreachable if nobody answers.
    """
    host, port = _place(url)
    pinned = fingerprint_of(fingerprint)
    shown = _chain(host, port, timeout_s)
    found = next((each for each in shown if hmac.compare_digest(hashlib.sha256(each).hexdigest(), pinned)), None)
    if found is None:
        raise NotTrusted(
            Words(
                f"{host}:{port} is not the server that was meant: "
                f"none of its certificates has the fingerprint {pinned}",
                f"{host}:{port} không phải máy chủ đã cấp mã: không chứng chỉ nào có dấu vân tay {pinned}",
            )
        )
    authority = _pem(found)
    _verify(host, port, authority, timeout_s)
    return authority


def vouches(authority: str, url: str, timeout_s: float = _TIMEOUT_S) -> bool:
    """Whether the server at `url` is one that this authority (PEM) stands for. Raises Unreachable."""
    try:
        _verify(*_place(url), authority, timeout_s)
    except NotTrusted:
        return False
    return True


def pinned_connection(url: str, authority: str, timeout_s: float = _TIMEOUT_S) -> "HTTPSConnection":
    """Not connected yet; believes only what this authority (PEM, from `authority_at`) vouches for. Past any proxy."""
    from http.client import HTTPSConnection

    host, port = _place(url)
    return HTTPSConnection(host, port, timeout=timeout_s, context=_context(authority))


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme != "https" or not host:
        raise NotTrusted(
            Words(
                f"{url}: only an address with https:// can be known by a fingerprint",
                f"{url}: chỉ địa chỉ https:// mới kiểm tra được bằng dấu vân tay",
            )
        )
    return host, port or 443


def _chain(host: str, port: int, timeout_s: float) -> Sequence[bytes]:
    """What the server shows, DER, the server's own first. Nothing of it has been verified."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # not believed: looked at, and verified by `_verify` on a new connection
    with _opened(host, port, context, timeout_s) as wire:
        return [_der(each) for each in _unverified(wire)]


def _unverified(wire: "ssl.SSLSocket") -> Sequence[Any]:
    """Public from Python 3.13 on; before, the object within has it."""
    public = getattr(wire, "get_unverified_chain", None)
    inner: Any = wire._sslobj if public is None else None  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    return (public() if public is not None else inner.get_unverified_chain()) or ()


def _der(certificate: Any) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    import _ssl

    der: bytes = certificate.public_bytes(_ssl.ENCODING_DER)
    return der


def _verify(host: str, port: int, authority: str, timeout_s: float) -> None:
    with _opened(host, port, _context(authority), timeout_s):
        pass


def _context(authority: str) -> "ssl.SSLContext":
    """Verifies chain, dates and name, from this authority alone."""
    import ssl

    context = ssl.create_default_context(cadata=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _opened(host: str, port: int, context: "ssl.SSLContext", timeout_s: float) -> "ssl.SSLSocket":
    import ssl

    try:
        plain = socket.create_connection((host, port), timeout=timeout_s)
    except OSError as error:
        raise does_not_answer(f"{host}:{port}", error) from None
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise does_not_hold(f"{host}:{port}", error.verify_message) from None
    except ssl.SSLError as error:
        plain.close()
        raise NotTrusted(
            Words(
                f"{host}:{port} does not speak TLS as wanted: {error.reason or error}",
                f"{host}:{port} không dùng TLS như yêu cầu: {error.reason or error}",
            )
        ) from None
    except OSError as error:
        plain.close()
        raise Unreachable(Words(f"{host}:{port} broke off: {error}", f"{host}:{port} ngắt kết nối: {error}")) from None


def does_not_answer(where: str, error: object) -> Unreachable:
    return Unreachable(Words(f"{where} does not answer: {error}", f"{where} không trả lời: {error}"))


def does_not_hold(where: str, error: object) -> NotTrusted:
    return NotTrusted(
        Words(f"{where}: its certificate does not hold: {error}", f"{where}: chứng chỉ không hợp lệ: {error}")
    )


def _pem(der: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
