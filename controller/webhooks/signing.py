"""Signed requests, as the Standard Webhooks specification 1.0.0 has them (symmetric, `v1`). Pure but for the dice.

The receiver computes HMAC-SHA256 with the secret over `ID.TIMESTAMP.BODY`, compares, and refuses a timestamp that is
not of the last minutes; an id that it has seen is a repetition.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

_PREFIX: Final = "whsec_"
_BYTES: Final = 32


def new_secret() -> str:
    """32 random bytes as base64, with the prefix by which such a secret is known."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signature(secret: str, uid: str, at_s: int, body: bytes) -> str:
    """Neither the id nor the time has a full stop in it, so no two contents are signed alike."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    made = hmac.digest(key, b"%b.%d.%b" % (uid.encode(), at_s, body), hashlib.sha256)
    return f"v1,{base64.b64encode(made).decode()}"


def headers(secret: str, uid: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """Those of one attempt, which was made at `at_s` (seconds since 1970)."""
    return {
        "content-type": "application/json",
        "user-agent": "Fabfleet",
        "webhook-id": uid,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signature(secret, uid, at_s, body),
    }
