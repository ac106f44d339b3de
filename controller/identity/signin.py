"""Signing in and out, and who a cookie or a bearer token stands for."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from controller.identity import store, tries
from controller.identity.limit import FailureLimit
from controller.identity.password import Passwords
from controller.identity.policy import Principal
from controller.identity.refusals import Kind, Refusals
from controller.identity.tables import User

SESSION_MS = 12 * 3_600_000
SHARED_SESSION_MS = 30 * 60_000
TOUCH_MS = 60_000
"""A session's end is moved at most this often, so that reading pages hardly writes."""
_WINDOW_MS = 5 * 60_000
_log = logging.getLogger(__name__)


class Refused(Exception):
    """The sign-in failed. Nothing tells whether the login exists."""


class TooManyTries(Refused):
    """Too many failures; wait and try again."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__(f"try again in {wait_ms} ms")
        self.wait_ms = wait_ms


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session: its secret, shown to the browser once, and how long a cookie may live (None: until closed)."""

    token: str
    principal: Principal
    max_age_s: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """Where somebody signs in from. `client` is what the browser calls itself."""

    address: str
    client: str = ""


class SignIn:
    """The door. Each method is one transaction."""

    def __init__(
        self, engine: Engine, passwords: Passwords, now_ms: Callable[[], int], refusals: Refusals | None = None
    ) -> None:
        self._engine = engine
        self._refusals = refusals or Refusals(engine, now_ms)
        self._passwords = passwords
        self._now_ms = now_ms
        self._taking = threading.Lock()  # counts are read and written: no other of this process in between
        self._by_address = FailureLimit(100, _WINDOW_MS, now_ms)  # a whole school may share one address

    def enter(self, login: str, password: str, *, shared_machine: bool, source: Source) -> SignedIn:
        """Check a password and begin a session. Raises Refused, TooManyTries."""
        address, now = source.address, self._now_ms()
        wait_ms = self._by_address.wait_ms(address)
        if wait_ms > 0:
            self._refusals.tell(Kind.SIGN_IN, address)
            raise TooManyTries(wait_ms)
        with self._taking, Session(self._engine) as db:
            user = store.user_by_login(db, login)
            hashed = user.password_hash if user is not None and not user.disabled else None
            known_id, school_id = (user.id, user.school_id) if user is not None else ("", None)
            wait_ms = tries.take(db, login, known_id, address, now)
            db.commit()
        if wait_ms > 0:
            self._refusals.tell(Kind.SIGN_IN, address)
            raise TooManyTries(wait_ms)
        right = self._passwords.check(password, hashed)  # slow: not inside a transaction
        with self._taking, Session(self._engine) as db:
            user = store.user(db, known_id) if right else None
            if user is None or user.disabled or user.password_hash != hashed:
                self._by_address.failed(address)
                store.audit(db, now, "sign-in-failed", subject=known_id, school_id=school_id, address=address)
                db.commit()
                raise Refused("login or password not right")
            tries.succeeded(db, login, user.id, address, now)
            entered = self.begin(db, user, source, shared_machine=shared_machine)
            db.commit()
        return entered

    def begin(self, db: Session, user: User, source: Source, *, shared_machine: bool, provider: str = "") -> SignedIn:
        """A session of somebody who has proven who they are. The caller commits."""
        now, token = self._now_ms(), store.new_secret()
        lasts_ms = SHARED_SESSION_MS if shared_machine else SESSION_MS
        store.forget_expired(db, now)
        store.add_session(
            db,
            user.id,
            token,
            shared_machine=shared_machine,
            now_ms=now,
            expires_ms=now + lasts_ms,
            address=source.address,
            client=source.client,
            provider=provider,
        )
        store.audit(
            db, now, "sign-in", actor=user.id, school_id=user.school_id, address=source.address, detail=provider
        )  # fmt: skip
        return SignedIn(token, store.principal(user), None if shared_machine else SESSION_MS // 1000)

    def leave(self, token: str, who: Principal, address: str) -> str:
        """End one session. The provider by whose word it began, empty for a password."""
        with Session(self._engine) as db:
            found = store.session(db, token, self._now_ms())
            provider = found[0].provider if found is not None else ""
            if store.end_session(db, token):
                store.audit(db, self._now_ms(), "sign-out", actor=who.id, school_id=who.school_id, address=address)
            db.commit()
        return provider

    def by_session(self, token: str, *, slide: bool = True) -> Principal | None:
        """Whose session it is, if it lives. With `slide` its end moves on, as somebody is using it."""
        now = self._now_ms()
        with Session(self._engine) as db:
            found = store.session(db, token, now)
            if found is None:
                return None
            session, user = found
            who = store.principal(user)
            if slide and now - session.seen_ms >= TOUCH_MS:
                lasts_ms = SHARED_SESSION_MS if session.shared_machine else SESSION_MS
                key = session.token_hash
                self._write(db, lambda: store.touch_session(db, key, now, now + lasts_ms), "the end of a session")
            return who

    @staticmethod
    def _write(db: Session, change: Callable[[], None], what: str) -> None:
        """A full disk must not lock out those who come to see what is wrong: then it is just not written."""
        try:
            change()
            db.commit()
        except SQLAlchemyError as error:
            _log.warning("%s could not be written: %s", what, type(error).__name__)

    def by_bearer(self, token: str) -> Principal | None:
        """Whom a bearer token stands for, and that it was used."""
        now = self._now_ms()
        with Session(self._engine) as db:
            found = store.by_api_token(db, token, now)
            if found is None:
                return None
            kept, user = found
            who = store.principal(user, kept)
            if kept.used_ms is None or abs(now - kept.used_ms) >= TOUCH_MS:
                self._write(db, lambda: store.token_used(db, kept.id, now), "the use of a token")
            return who

    def forgive(self, login: str, address: str) -> None:
        """Forget the failures of a login from an address: somebody who may has said that it was no attack."""
        with self._taking, Session(self._engine) as db:
            tries.forgive_at(db, login, address)
            db.commit()

    def set_language(self, who: Principal, language: str) -> None:
        """Remember the language of the pages."""
        with Session(self._engine) as db:
            user = store.user(db, who.id)
            if user is not None and user.language != language:
                user.language = language
                now, school_id = self._now_ms(), who.school_id
                store.audit(
                    db, now, "user-language", actor=who.id, subject=who.id, school_id=school_id, detail=language
                )
                db.commit()
