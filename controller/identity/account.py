"""What somebody does to their own account: the password, and where they are signed in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session

from controller.identity import oidc_store, store, tries
from controller.identity.password import Passwords
from controller.identity.policy import Principal
from controller.identity.signin import Refused, TooManyTries
from controller.identity.tables import OidcLink, User, UserSession


class LinkEnded(Exception):
    """The link to choose a password was used, has run out, or never was."""


@dataclass(frozen=True, slots=True)
class Account:
    """What somebody sees of their own."""

    login: str
    has_password: bool
    sessions: Sequence[UserSession]
    links: Sequence[OidcLink]


class Accounts:
    """Safe to use from any thread. Each method is one transaction."""

    def __init__(self, engine: Engine, passwords: Passwords, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._passwords = passwords
        self._now_ms = now_ms

    def account(self, who: Principal) -> Account:
        with Session(self._engine) as db:
            user = _own(db, who)
            found = Account(
                login=user.login,
                has_password=bool(user.password_hash),
                sessions=store.sessions(db, user.id, self._now_ms()),
                links=oidc_store.links_of(db, user.id),
            )
            db.expunge_all()
            return found

    def change_password(self, who: Principal, old: str, new: str, *, address: str, session: str) -> None:
        """Ends all sessions but `session`. Raises Refused for a wrong old one, TooManyTries, WeakPassword.

        Who has come in by a provider alone has no old password, and sets none here: an administrator's link does.
        """
        now = self._now_ms()
        with Session(self._engine) as db:
            user = _own(db, who)
            stored = user.password_hash
            wait_ms = tries.take(db, user.login, user.id, address, now)
            db.commit()
        if wait_ms > 0:
            raise TooManyTries(wait_ms)
        if not self._passwords.check(old, stored):
            raise Refused("the old password is not right")
        hashed = self._passwords.hash(new, names=(who.login, who.name))
        with Session(self._engine) as db:
            user = _own(db, who)
            tries.succeeded(db, user.login, user.id, address, now)
            user.password_hash = hashed
            store.end_sessions(db, user.id, but=session)
            store.audit(
                db, now, "user-password", actor=who.id, subject=who.id, school_id=who.school_id, address=address
            )
            db.commit()

    def end_session(self, who: Principal, token_hash: str) -> None:
        """One of one's own; nothing happens if it has ended."""
        with Session(self._engine) as db:
            if store.end_one_session(db, who.id, token_hash):
                store.audit(db, self._now_ms(), "session-end", actor=who.id, school_id=who.school_id)
            db.commit()

    def end_other_sessions(self, who: Principal, session: str) -> None:
        with Session(self._engine) as db:
            if store.end_sessions(db, who.id, but=session):
                store.audit(db, self._now_ms(), "sessions-end", actor=who.id, subject=who.id, school_id=who.school_id)
            db.commit()

    def unlink(self, who: Principal, issuer: str, subject: str) -> None:
        """Part with a provider. Who has no password keeps the last one: else there is no way in."""
        with Session(self._engine) as db:
            user = _own(db, who)
            kept = len(oidc_store.links_of(db, user.id)) > 1 or bool(user.password_hash)
            if kept and oidc_store.unlink(db, user.id, issuer, subject):
                store.audit(db, self._now_ms(), "oidc-unlink", actor=who.id, subject=who.id, school_id=who.school_id)
            db.commit()

    def whose_reset(self, secret: str) -> str:
        """The login for which a link lets choose a password. Raises LinkEnded."""
        with Session(self._engine) as db:
            found = store.reset(db, secret, self._now_ms())
            if found is None:
                raise LinkEnded
            return found[1].login

    def use_reset(self, secret: str, new: str, *, address: str) -> None:
        """Set the password; all sessions end, nothing is locked any more. Raises LinkEnded, WeakPassword.

        A password that is not taken leaves the link as it was.
        """
        now = self._now_ms()
        with Session(self._engine) as db:
            found = store.reset(db, secret, now)
            if found is None:
                raise LinkEnded
            names = (found[1].login, found[1].name)
        hashed = self._passwords.hash(new, names=names)
        with Session(self._engine) as db:
            found = store.reset(db, secret, now)
            if found is None or not store.use_reset(db, secret, now):
                raise LinkEnded
            user = found[1]
            user.password_hash = hashed
            store.end_sessions(db, user.id)
            tries.forgive(db, user.id)
            store.audit(
                db, now, "user-password", subject=user.id, school_id=user.school_id, address=address, detail="by a link"
            )
            db.commit()


def _own(db: Session, who: Principal) -> User:
    user = store.user(db, who.id)
    if user is None:
        raise LookupError(who.id)  # accounts are never deleted
    return user
