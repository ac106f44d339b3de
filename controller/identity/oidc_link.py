"""Talking to a provider of sign-ins: what it says of itself, its keys, and a code for a token. Over HTTP, bounded."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.error import HTTPError
from urllib.parse import quote_plus, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from controller.identity.oidc import Code, NotIn
from controller.identity.oidc_provider import Provider

TIMEOUT_S: Final = 10
MOST_BYTES: Final = 1_000_000
KEEP_MS: Final = 3_600_000
"""How long what a provider says of itself, and its keys, are believed without asking again."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Of a provider's discovery document, what we use. OpenID Connect Discovery 1.0 section 3."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    end_session: str
    basic: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was exchanged for."""

    id_token: str
    access_token: str


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_args: object, **_named: object) -> None:
        """None: a redirect is an error, so that no secret goes elsewhere."""


class ProviderLink:
    """One provider. Safe to use from any thread. Raises NotIn(PROVIDER) when it cannot be reached or understood."""

    def __init__(self, provider: Provider, now_ms: Callable[[], int]) -> None:
        self._provider = provider
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._metadata: tuple[int, Metadata] | None = None
        self._keys: tuple[int, KeySet] | None = None
        self._opener = build_opener(_NoRedirect())

    def metadata(self) -> Metadata:
        kept = self._metadata
        if kept is not None and 0 <= self._now_ms() - kept[0] < KEEP_MS:
            return kept[1]
        document = self._get(f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self._provider.issuer:
            _fail("its document names another issuer")
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        try:
            found = Metadata(
                authorization=str(document["authorization_endpoint"]),
                token=str(document["token_endpoint"]),
                keys=str(document["jwks_uri"]),
                userinfo=str(document.get("userinfo_endpoint", "")),
                end_session=str(document.get("end_session_endpoint", "")),
                basic="client_secret_basic" in methods,
            )
        except KeyError as error:
            _fail(f"its document lacks {error}")
        with self._lock:
            self._metadata = (self._now_ms(), found)
        return found

    def keys(self, *, fresh: bool = False) -> KeySet:
        """`fresh` asks anew: a provider may change its keys at any time."""
        kept = self._keys
        if not fresh and kept is not None and 0 <= self._now_ms() - kept[0] < KEEP_MS:
            return kept[1]
        try:
            found = KeySet.import_key_set(self._get(self.metadata().keys))  # type: ignore[arg-type]  # checked there
        except (JoseError, ValueError, KeyError, TypeError) as error:
            _fail(f"its keys: {type(error).__name__}")
        with self._lock:
            self._keys = (self._now_ms(), found)
        return found

    def userinfo(self, access_token: str) -> Mapping[str, Any]:
        """What the provider says of a person beyond the ID token; nothing if it says no more."""
        address = self.metadata().userinfo
        if not address or not access_token:
            return {}
        headers = {"accept": "application/json", "authorization": f"Bearer {access_token}"}
        return self._ask(Request(address, headers=headers))  # noqa: S310 - of the provider

    def tokens(self, code: str, redirect: str, verifier: str) -> Tokens:
        """Exchange a code. Raises NotIn: STATE if the code is good no more."""
        provider, metadata = self._provider, self.metadata()
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
            "client_id": provider.client_id,
        }
        headers = {"accept": "application/json"}
        try:
            secret = provider.secret()
        except OSError as error:
            _fail(f"the secret's file: {type(error).__name__}")
        if secret and metadata.basic:
            pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        elif secret:
            asked["client_secret"] = secret
        answer = self._ask(Request(metadata.token, urlencode(asked).encode(), headers))  # noqa: S310 - of the provider
        if answer.get("error") == "invalid_grant":
            raise NotIn(Code.STATE, "the code is good no more")
        token = answer.get("id_token")
        if not isinstance(token, str):
            _fail(f"no ID token: {str(answer.get('error', ''))[:100]}")
        return Tokens(token, str(answer.get("access_token", "")))

    def _get(self, url: str) -> Mapping[str, Any]:
        return self._ask(Request(url, headers={"accept": "application/json"}))  # noqa: S310 - of the configuration

    def _ask(self, request: Request) -> Mapping[str, Any]:
        """A JSON object; an error's too, if it is one."""
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                body = response.read(MOST_BYTES + 1)
        except HTTPError as error:
            with error:
                body = error.read(MOST_BYTES + 1) if error.code in (400, 401) else b""
        except (OSError, ValueError) as error:
            _fail(f"{type(error).__name__} {error}")
        try:
            found = json.loads(body) if len(body) <= MOST_BYTES else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            _fail("its answer is no JSON object")
        return found


def _fail(text: str) -> NoReturn:
    raise NotIn(Code.PROVIDER, text) from None
