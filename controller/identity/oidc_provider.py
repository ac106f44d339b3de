"""Providers of sign-ins, as the configuration file names them: `[[oidc]]`. Pure but for reading the secret's file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from controller.identity.policy import Role

GOOGLE_ISSUER: Final = "https://accounts.google.com"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_TENANT: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ProviderError(ValueError):
    """An entry cannot be used; the message names the key and what is wanted."""


class Kind(StrEnum):
    GENERIC = "generic"
    GOOGLE = "google"
    MICROSOFT = "microsoft"


class Newcomers(StrEnum):
    """What becomes of somebody who has no account: an administrator looks first, they come in, or they do not."""

    WAIT = "wait"
    ENTER = "enter"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. `name` stands in addresses, `title` on the button.

    Only people of `allowed_domains` come in (none: everybody the issuer knows); `tenant` is Microsoft's directory.
    Newcomers get `role`, and the school that `schools` has for their domain, or for the value of `school_claim`, else
    `school`. With `trust_email` a verified address that is the login of an account is the person of that account.
    """

    name: str
    client_id: str
    title: str = ""
    kind: Kind = Kind.GENERIC
    issuer: str = ""
    client_secret_file: Path | None = None
    tenant: str = ""
    allowed_domains: tuple[str, ...] = ()
    newcomers: Newcomers = Newcomers.WAIT
    role: Role = Role.TEACHER
    school: str = ""
    school_claim: str = ""
    schools: Mapping[str, str] = field(default_factory=dict)
    trust_email: bool = False

    @property
    def label(self) -> str:
        return self.title or self.name

    def secret(self) -> str:
        """Read anew each time, so that it can be replaced. Raises OSError."""
        return self.client_secret_file.read_text("utf-8").strip() if self.client_secret_file else ""


def providers(entries: object) -> tuple[Provider, ...]:
    """The tables of `[[oidc]]`. Raises ProviderError."""
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ProviderError("oidc: tables [[oidc]] are wanted")
    found = tuple(_provider(each) for each in entries)
    names = [each.name for each in found]
    if len(set(names)) != len(names):
        raise ProviderError("oidc: two providers have one name")
    return found


def _provider(entry: Mapping[str, Any]) -> Provider:
    known = {each.name for each in fields(Provider)}
    for key in entry:
        if key not in known:
            raise ProviderError(f"oidc.{key}: nobody knows this key; known are {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        values[key] = _read(key, value)
    for key in ("name", "client_id"):
        if not values.get(key):
            raise ProviderError(f"oidc.{key}: it is missing")
    made = Provider(**values)
    if not _NAME.fullmatch(made.name):
        raise ProviderError(f"oidc.name: {made.name!r} is not of a-z, 0-9 and -")
    if made.role is Role.ADMINISTRATOR:
        raise ProviderError("oidc.role: nobody becomes an administrator by signing in")
    return _with_issuer(made, values)


def _read(key: str, value: object) -> object:
    choices: Mapping[str, type[StrEnum]] = {"kind": Kind, "newcomers": Newcomers, "role": Role}
    if key == "allowed_domains":
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ProviderError(f"oidc.{key}: a list of texts is wanted")
        return tuple(each.lower() for each in value)
    if key == "schools":
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise ProviderError(f"oidc.{key}: a table of texts is wanted")
        return value
    wanted = bool if key == "trust_email" else str
    if not isinstance(value, wanted):
        raise ProviderError(f"oidc.{key}: {value!r} is not of type {wanted.__name__}")
    if key in choices:
        if value not in {each.value for each in choices[key]}:
            raise ProviderError(f"oidc.{key}: {value!r} is none of {', '.join(choices[key])}")
        return choices[key](value)
    if key == "client_secret_file":
        file = Path(str(value)).expanduser()
        if not file.is_file():
            raise ProviderError(f"oidc.{key}: {file} is not a file")
        return file
    return value


def _with_issuer(made: Provider, values: dict[str, Any]) -> Provider:
    """Google and Microsoft have theirs. Microsoft's for everybody lets everybody in, so a directory is wanted."""
    issuer = made.issuer
    if made.kind is Kind.GOOGLE:
        issuer = issuer or GOOGLE_ISSUER
    if made.kind is Kind.MICROSOFT:
        if not _TENANT.fullmatch(made.tenant):
            raise ProviderError("oidc.tenant: the id of the school's own directory is wanted")
        issuer = issuer or f"https://login.microsoftonline.com/{made.tenant}/v2.0"
    parts = urlsplit(issuer)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname or "")):
        raise ProviderError(f"oidc.issuer: {issuer!r} is not an https address")
    return Provider(**{**values, "issuer": issuer})


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def titles(found: Sequence[Provider]) -> Mapping[str, str]:
    """What providers are called, by their issuers."""
    return {each.issuer: each.label for each in found}
