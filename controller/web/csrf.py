"""Tokens that prove a form came from one of our pages. Pure, but for the random mask.

The token is an HMAC under the secret of a cookie: of the session, or before sign-in of a cookie made for the form.
Each page gets it under another random mask, so that its length in a compressed page tells nothing.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

FIELD = "csrf"
HEADER = "x-csrf-token"
_LENGTH = 32


def issue(secret: str) -> str:
    """A token for whoever holds the cookie with `secret`."""
    mask = secrets.token_bytes(_LENGTH)
    return base64.urlsafe_b64encode(mask + _xor(mask, _proof(secret))).rstrip(b"=").decode()


def valid(token: str, secret: str) -> bool:
    """Whether `token` was issued for that cookie."""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeEncodeError, binascii.Error):
        return False
    return len(raw) == 2 * _LENGTH and hmac.compare_digest(_xor(raw[:_LENGTH], raw[_LENGTH:]), _proof(secret))


def _proof(secret: str) -> bytes:
    return hmac.new(secret.encode(), b"fabfleet csrf", hashlib.sha256).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
