"""Coming in by the word of a provider, and linking one's account with one: the flow of oidc.py with its I/O."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from controller.fleet.tables import School
from controller.identity import oidc, oidc_store, store
from controller.identity.oidc import Code, Identity, KeyNotKnown, NotIn
from controller.identity.oidc_link import ProviderLink
from controller.identity.oidc_provider import Newcomers, Provider
from controller.identity.policy import Principal, needs_school
from controller.identity.signin import SignedIn, SignIn, Source
from controller.identity.tables import User

MOST_WAITING: Final = 500
"""So many wait for an administrator at the most."""
_log = logging.getLogger(__name__)


class OidcDoor:
    """The providers of the configuration. Safe to use from any thread; every method raises NotIn."""

    def __init__(
        self, engine: Engine, signin: SignIn, providers: Sequence[Provider], now_ms: Callable[[], int]
    ) -> None:
        self.providers = tuple(providers)
        self._engine = engine
        self._signin = signin
        self._now_ms = now_ms
        self._links = {each.name: ProviderLink(each, now_ms) for each in providers}

    def provider(self, name: str) -> Provider:
        found = next((each for each in self.providers if each.name == name), None)
        if found is None:
            raise NotIn(Code.PROVIDER, "no such provider")
        return found

    def question(self, name: str, redirect: str, secret: str) -> str:
        """Where to send a browser that keeps `secret`."""
        provider = self.provider(name)
        return oidc.question(provider, self._links[name].metadata().authorization, redirect, secret)

    def farewell(self, name: str, back: str) -> str:
        """Where to sign out at the provider itself, `back` if it has no such place."""
        provider, metadata = self.provider(name), self._links[name].metadata()
        if not metadata.end_session:
            return back
        asked = urlencode({"client_id": provider.client_id, "post_logout_redirect_uri": back})
        return f"{metadata.end_session}?{asked}"

    def enter(
        self, name: str, answer: Mapping[str, str], *, redirect: str, secret: str, source: Source, shared: bool
    ) -> SignedIn:
        """Begin a session of whom the provider vouches for."""
        try:
            return self._enter(name, answer, redirect=redirect, secret=secret, source=source, shared=shared)
        except NotIn as error:
            _log.warning("sign-in by %s: %s", name[:32], error)
            with Session(self._engine) as db:
                detail = f"{name[:32]}: {error.code}"
                store.audit(db, self._now_ms(), "sign-in-failed", address=source.address, detail=detail)
                db.commit()
            raise

    def link(self, who: Principal, name: str, answer: Mapping[str, str], *, redirect: str, secret: str) -> None:
        """From now on the person signs in by that provider too. Raises NotIn(TAKEN) if it is another account's."""
        provider = self.provider(name)
        _, identity = self._identity(provider, answer, redirect, secret)
        with Session(self._engine) as db:
            linked = oidc_store.linked(db, identity.issuer, identity.subject)
            if linked is not None and linked.id == who.id:
                return
            if linked is not None:
                raise NotIn(Code.TAKEN)
            self._add_link(db, identity, who.id, actor=who.id, school_id=who.school_id)
            db.commit()

    def _enter(
        self, name: str, answer: Mapping[str, str], *, redirect: str, secret: str, source: Source, shared: bool
    ) -> SignedIn:
        provider = self.provider(name)
        claims, identity = self._identity(provider, answer, redirect, secret)
        with Session(self._engine) as db:
            user = oidc_store.linked(db, identity.issuer, identity.subject)
            if user is None and provider.trust_email and identity.email:
                user = store.user_by_login(db, identity.email)
                if user is not None:
                    self._add_link(db, identity, user.id, actor="", school_id=user.school_id)
            if user is None:
                user = self._newcomer(db, provider, identity, claims)
            waiting, disabled = user.waiting, user.disabled
            entered = None
            if not waiting and not disabled:
                entered = self._signin.begin(db, user, source, shared_machine=shared, provider=name)
            db.commit()
        if entered is None:
            raise NotIn(Code.WAITING if waiting else Code.DISABLED)
        return entered

    def _identity(
        self, provider: Provider, answer: Mapping[str, str], redirect: str, secret: str
    ) -> tuple[Mapping[str, Any], Identity]:
        link = self._links[provider.name]
        code = oidc.code_of(provider, answer, secret)
        tokens = link.tokens(code, redirect, oidc.verifier_of(secret))
        nonce, now_s = oidc.nonce_of(secret), self._now_ms() // 1000
        try:
            claims = oidc.claims_of(provider, tokens.id_token, link.keys(), nonce, now_s)
        except KeyNotKnown:
            try:
                claims = oidc.claims_of(provider, tokens.id_token, link.keys(fresh=True), nonce, now_s)
            except KeyNotKnown:
                raise NotIn(Code.TOKEN, "ID token: signed with a key that the provider does not show") from None
        if "email" not in claims:  # a provider may keep it for those who ask with the access token
            more = link.userinfo(tokens.access_token)
            if more.get("sub") == claims["sub"]:  # OpenID Connect Core section 5.3.2: else it is of somebody else
                claims = {**more, **claims}
        return claims, oidc.who_is(provider, claims)

    def _newcomer(self, db: Session, provider: Provider, who: Identity, claims: Mapping[str, Any]) -> User:
        """An account, which waits unless the configuration lets newcomers in and their school is known."""
        if provider.newcomers is Newcomers.REFUSE:
            raise NotIn(Code.UNKNOWN)
        school: str | None = oidc.school_of(provider, who, claims)
        if not school or db.get(School, school) is None:
            school = None
        waits = provider.newcomers is Newcomers.WAIT or (school is None and needs_school(provider.role))
        if waits and oidc_store.waiting(db) >= MOST_WAITING:
            raise NotIn(Code.UNKNOWN, "too many wait already")
        login = who.email if who.email and store.user_by_login(db, who.email) is None else ""
        user = store.add_user(
            db,
            login=login[:64] or f"{provider.name}-{store.new_id()}",
            name=who.name,
            role=provider.role,
            school_id=school,
            password_hash="",
            now_ms=self._now_ms(),
        )
        user.waiting = user.disabled = waits
        detail = f"{provider.name} {provider.role.value}" + (" waits" if waits else "")
        store.audit(db, self._now_ms(), "user-add", subject=user.id, school_id=school, detail=detail)
        self._add_link(db, who, user.id, actor="", school_id=school)
        return user

    def _add_link(self, db: Session, who: Identity, user_id: str, *, actor: str, school_id: str | None) -> None:
        now = self._now_ms()
        try:
            oidc_store.link(
                db, issuer=who.issuer, subject=who.subject, user_id=user_id, email=who.email, now_ms=now
            )  # fmt: skip
        except IntegrityError:  # the same person in two windows
            raise NotIn(Code.STATE) from None
        store.audit(db, now, "oidc-link", actor=actor, subject=user_id, school_id=school_id)
