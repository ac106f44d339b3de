"""Signing in and out, and who a cookie or a bearer token stands for."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from controller.identity import store
from controller.identity.limit import FailureLimit
from controller.identity.password import Passwords
from controller.identity.policy import Principal
from controller.identity.refusals import Kind, Refusals

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


class SignIn:
    """The door. Each method is one transaction."""

    def __init__(
        self, engine: Engine, passwords: Passwords, now_ms: Callable[[], int], refusals: Refusals | None = None
    ) -> None:
        self._engine = engine
        self._refusals = refusals or Refusals(engine, now_ms)
        self._passwords = passwords
        self._now_ms = now_ms
        self._by_pair = FailureLimit(5, _WINDOW_MS, now_ms)
        self._by_address = FailureLimit(100, _WINDOW_MS, now_ms)  # a whole school may share one address

    def enter(self, login: str, password: str, *, address: str, shared_machine: bool) -> SignedIn:
        """Check a password and begin a session. Raises Refused, TooManyTries."""
        pair = _pair(login, address)
        wait_ms = max(self._by_pair.wait_ms(pair), self._by_address.wait_ms(address))
        if wait_ms > 0:
            self._refusals.tell(Kind.SIGN_IN, address)
            raise TooManyTries(wait_ms)
        now = self._now_ms()
        with Session(self._engine) as db:
            user = store.user_by_login(db, login)
            hashed = user.password_hash if user is not None and not user.disabled else None
            known_id, school_id = (user.id, user.school_id) if user is not None else ("", None)
        right = self._passwords.check(password, hashed)  # slow: not inside a transaction
        with Session(self._engine) as db:
            user = store.user(db, known_id) if right else None
            if user is None or user.disabled:
                self._by_pair.failed(pair)
                self._by_address.failed(address)
                store.audit(db, now, "sign-in-failed", subject=known_id, school_id=school_id, address=address)
                db.commit()
                raise Refused("login or password not right")
            self._by_pair.forget(pair)
            token = store.new_secret()
            lasts_ms = SHARED_SESSION_MS if shared_machine else SESSION_MS
            store.forget_expired(db, now)
            store.add_session(db, user.id, token, shared_machine=shared_machine, now_ms=now, expires_ms=now + lasts_ms)
            store.audit(db, now, "sign-in", actor=user.id, school_id=user.school_id, address=address)
            who = store.principal(user)
            db.commit()
        return SignedIn(token, who, None if shared_machine else SESSION_MS // 1000)

    def leave(self, token: str, who: Principal, address: str) -> None:
        """End one session."""
        with Session(self._engine) as db:
            if store.end_session(db, token):
                store.audit(db, self._now_ms(), "sign-out", actor=who.id, school_id=who.school_id, address=address)
            db.commit()

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
                self._touch(db, session.token_hash, now, now + lasts_ms)
            return who

    def _touch(self, db: Session, token_hash: str, now: int, expires_ms: int) -> None:
        """A full disk must not lock out those who come to see what is wrong: then the session just does not slide."""
        try:
            store.touch_session(db, token_hash, now, expires_ms)
            db.commit()
        except SQLAlchemyError as error:
            _log.warning("a session could not be prolonged: %s", type(error).__name__)

    def by_bearer(self, token: str) -> Principal | None:
        """Whom a bearer token stands for."""
        with Session(self._engine) as db:
            user = store.user_of_api_token(db, token, self._now_ms())
            return None if user is None else store.principal(user)

    def forgive(self, login: str, address: str) -> None:
        """Forget the failures of a login from an address: somebody who may has said that it was no attack."""
        self._by_pair.forget(_pair(login, address))

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


def _pair(login: str, address: str) -> str:
    return f"{store.clean_login(login)[:64]}\0{address}"
