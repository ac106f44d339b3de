"""OpenID Connect's authorization code flow as far as it is thought: what is asked, and what an answer is worth. Pure.

Sources: OpenID Connect Core 1.0 sections 3.1.2 and 3.1.3.7, RFC 7636 (PKCE), RFC 9207 (`iss` of the answer). A browser
keeps one secret in a cookie while its person is at the provider; state, nonce and verifier are made from it, so that
nothing is kept here and nothing of one flow serves another.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from controller.identity.oidc_provider import Kind, Provider

ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
"""Signatures with a provider's public key only: never `none`, never a shared secret."""
LEEWAY_S: Final = 120
"""So far a provider's clock may be from ours."""
LONGEST_AGE_S: Final = 600
"""So old an ID token may be: it was made when the code was exchanged."""


class Code(StrEnum):
    """Why somebody did not come in."""

    CANCELLED = "cancelled"
    STATE = "state"
    PROVIDER = "provider"
    TOKEN = "token"  # noqa: S105 - a code, no secret
    DOMAIN = "domain"
    UNVERIFIED = "unverified"
    WAITING = "waiting"
    DISABLED = "disabled"
    UNKNOWN = "unknown"
    TAKEN = "taken"


class NotIn(Exception):
    """Nobody came in; `code` says why. The message is for the log and names nobody."""

    def __init__(self, code: Code, text: str = "") -> None:
        super().__init__(text or code.value)
        self.code = code


class KeyNotKnown(Exception):
    """The token is signed with a key that is not in the set: ask for the keys anew."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider vouches for. `email` is empty unless it was verified."""

    issuer: str
    subject: str
    name: str
    email: str
    domain: str


def state_of(secret: str) -> str:
    return _made(secret, "state")


def nonce_of(secret: str) -> str:
    return _made(secret, "nonce")


def verifier_of(secret: str) -> str:
    return _made(secret, "verifier")


def _made(secret: str, what: str) -> str:
    return _base64(hmac.new(secret.encode(), f"fabfleet oidc {what}".encode(), hashlib.sha256).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def question(provider: Provider, endpoint: str, redirect: str, secret: str) -> str:
    """The address at the provider to which a browser is sent."""
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect,
        "scope": "openid email profile",
        "state": state_of(secret),
        "nonce": nonce_of(secret),
        "code_challenge": _base64(hashlib.sha256(verifier_of(secret).encode()).digest()),
        "code_challenge_method": "S256",
    }
    if provider.kind is not Kind.GENERIC:
        asked["prompt"] = "select_account"  # those two know it; on a shared machine the last person's is not taken
    if provider.kind is Kind.GOOGLE and len(provider.allowed_domains) == 1:
        asked["hd"] = provider.allowed_domains[0]
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"


def code_of(provider: Provider, answer: Mapping[str, str], secret: str) -> str:
    """The code that the provider's answer carries. Raises NotIn."""
    if not hmac.compare_digest(answer.get("state", "").encode(), state_of(secret).encode()):
        raise NotIn(Code.STATE)
    if answer.get("iss", provider.issuer) != provider.issuer:
        raise NotIn(Code.STATE, "the answer is of another issuer")
    if "error" in answer:
        gone = answer["error"] in ("access_denied", "interaction_required", "login_required")
        raise NotIn(Code.CANCELLED if gone else Code.PROVIDER, answer["error"][:100])
    if not answer.get("code"):
        raise NotIn(Code.PROVIDER, "the answer has no code")
    return answer["code"]


def claims_of(provider: Provider, id_token: str, keys: KeySet, nonce: str, now_s: int) -> Mapping[str, Any]:
    """What an ID token says, once signature, issuer, audience, times and nonce are right. Raises NotIn, KeyNotKnown."""
    try:
        claims = jwt.decode(id_token, keys, algorithms=list(ALGORITHMS)).claims
        registry = jwt.JWTClaimsRegistry(
            now=now_s,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        registry.validate(claims)
    except InvalidKeyIdError:
        raise KeyNotKnown from None
    except (JoseError, ValueError) as error:
        raise NotIn(Code.TOKEN, f"ID token: {type(error).__name__} {error}"[:200]) from None
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else provider.client_id) != provider.client_id:
        raise NotIn(Code.TOKEN, "ID token: made for another client")
    if not now_s - claims["iat"] <= LONGEST_AGE_S + LEEWAY_S:
        raise NotIn(Code.TOKEN, "ID token: too old")
    return claims


def who_is(provider: Provider, claims: Mapping[str, Any]) -> Identity:
    """Whom these claims are about, if the configuration lets them in. Raises NotIn."""
    email = _text(claims, "email").lower()
    verified = claims.get("email_verified") in (True, "true")
    if provider.kind is Kind.MICROSOFT:
        if _text(claims, "tid") != provider.tenant:
            raise NotIn(Code.DOMAIN, "another directory")
        verified = claims.get("xms_edov") in (True, 1, "1", "true")
    domain = email.rpartition("@")[2] if verified else ""
    if provider.kind is Kind.GOOGLE:
        domain = _text(claims, "hd").lower()
    if provider.allowed_domains and domain not in provider.allowed_domains:
        unsure = email and not verified and provider.kind is not Kind.GOOGLE
        raise NotIn(Code.UNVERIFIED if unsure else Code.DOMAIN)
    name = _text(claims, "name") or email or provider.label
    return Identity(provider.issuer, claims["sub"][:255], name[:128], email if verified else "", domain)


def school_of(provider: Provider, who: Identity, claims: Mapping[str, Any]) -> str:
    """The school of a newcomer, empty if none can be told."""
    said = _text(claims, provider.school_claim) if provider.school_claim else who.domain
    return provider.schools.get(said, provider.school)


def _text(claims: Mapping[str, Any], name: str) -> str:
    """A claim that is a text, without what does not print."""
    value = claims.get(name, "")
    return "".join(letter for letter in value if letter.isprintable()).strip() if isinstance(value, str) else ""
