"""Sends to a Zalo user as an Official Account: the OA API, which Apprise does not know. Runs in the courier's process.

Message: POST /v3.0/oa/message/cs, header `access_token`. Tokens: POST /v4/oa/access_token, header `secret_key`; an
access token lasts about a day, a refresh token three months, and each is good for one refresh. Both answer 200 with an
`error` other than 0 if they refuse. Source: developers.zalo.me, Official Account API v3.0 and OAuth v4.
"""

from collections.abc import Mapping
from typing import Any, Final

import requests

MESSAGES: Final = "https://openapi.zalo.me/v3.0/oa/message/cs"
TOKENS: Final = "https://oauth.zaloapp.com/v4/oa/access_token"
TIMEOUT_S: Final = (5.0, 10.0)
MOST: Final = 2_000
"""Letters of a text."""
BAD_TOKEN: Final = frozenset({-216, -220})
"""Error codes: the access token is wrong, or has run out."""


class Refused(Exception):
    """Zalo said no; the code is Zalo's own."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def send(url: str, access_token: str, user_id: str, text: str) -> None:
    """Raises Refused, requests.RequestException."""
    answer = requests.post(
        url,
        json={"recipient": {"user_id": user_id}, "message": {"text": text[:MOST]}},
        headers={"access_token": access_token},
        timeout=TIMEOUT_S,
        allow_redirects=False,
    )
    _told(answer)


def refresh(url: str, app_id: str, secret_key: str, refresh_token: str) -> tuple[str, str, int]:
    """The new access token, the new refresh token, and for how many seconds the first is good. Raises as `send`."""
    answer = requests.post(
        url,
        data={"refresh_token": refresh_token, "app_id": app_id, "grant_type": "refresh_token"},
        headers={"secret_key": secret_key},
        timeout=TIMEOUT_S,
        allow_redirects=False,
    )
    told = _told(answer)
    access, fresh = told.get("access_token"), told.get("refresh_token")
    if not isinstance(access, str) or not isinstance(fresh, str):
        raise Refused(0)
    return access, fresh, int(told.get("expires_in") or 3_600)


def _told(answer: requests.Response) -> Mapping[str, Any]:
    answer.raise_for_status()
    told = answer.json() if answer.status_code == 200 else None
    if not isinstance(told, dict):
        raise Refused(0)
    if told.get("error"):
        raise Refused(int(told["error"]))
    return told
