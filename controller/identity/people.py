"""What administrators do to the accounts of their scope: one transaction each, with its audit line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from controller.fleet.tables import School
from controller.folding import fold, matches
from controller.identity import store, tries
from controller.identity.oidc_store import links_of, move_links, unlink
from controller.identity.policy import Principal, Role, needs_school
from controller.identity.tables import ApiToken, OidcLink, User, UserSession

RESET_MS: Final = 24 * 3_600_000
"""How long a link to choose a password is good."""
LONGEST_NAME: Final = 128
LONGEST_LOGIN: Final = 64


class Fault(StrEnum):
    """Why a change cannot be."""

    LOGIN = "login"
    LOGIN_TAKEN = "login-taken"
    NAME = "name"
    ROLE = "role"
    SCHOOL = "school"
    NEEDS_SCHOOL = "needs-school"
    ONESELF = "oneself"
    LAST = "last"


class WrongPerson(Exception):
    """It was not done; `field` is what is to be mended."""

    def __init__(self, fault: Fault, field: str = "") -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.field = field


class NoSuchPerson(Exception):
    """There is nobody of that id in the scope."""


@dataclass(frozen=True, slots=True)
class Details:
    """What an administrator may say of a person. `school_id` None: the whole cluster."""

    name: str
    role: Role
    school_id: str | None


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person in the list. `locked_ms`: until when tries to sign in are not taken from somewhere; None: nowhere."""

    id: str
    login: str
    name: str
    role: Role
    school_id: str | None
    disabled: bool
    waiting: bool
    locked_ms: int | None


@dataclass(frozen=True, slots=True)
class PersonView:
    """All of a person that an administrator sees."""

    line: PersonLine
    has_password: bool
    sessions: Sequence[UserSession]
    tokens: Sequence[ApiToken]
    links: Sequence[OidcLink]


class People:
    """Safe to use from any thread. Whoever is outside of the asker's scope is not there for them."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def lines(self, who: Principal, search: str = "") -> Sequence[PersonLine]:
        """By name; those who wait come first. `search` is looked for in names and logins, without marks and case."""
        with Session(self._engine) as db:
            found = [each for each in store.users(db, who.scope) if matches(search, each.name, each.login)]
            found.sort(key=lambda each: (not each.waiting, fold(each.name), each.login))
            return self._lines(db, found)

    def person(self, who: Principal, user_id: str) -> PersonView:
        """Raises NoSuchPerson."""
        with Session(self._engine) as db:
            user = _in_scope(db, who, user_id)
            view = PersonView(
                line=self._lines(db, [user])[0],
                has_password=bool(user.password_hash),
                sessions=store.sessions(db, user.id, self._now_ms()),
                tokens=[token for token, _ in store.tokens_of(db, who.scope, user.id)],
                links=links_of(db, user.id),
            )
            db.expunge_all()
            return view

    def add(self, who: Principal, login: str, details: Details) -> str:
        """The new account's id. Nobody can sign in to it before a link was made. Raises WrongPerson."""
        clean = store.clean_login(login)
        if not 1 <= len(clean) <= LONGEST_LOGIN or not clean.isprintable():
            raise WrongPerson(Fault.LOGIN, "login")
        now = self._now_ms()
        with Session(self._engine) as db:
            _check(db, who, details)
            try:
                user = store.add_user(
                    db,
                    login=clean,
                    name=details.name.strip(),
                    role=details.role,
                    school_id=details.school_id,
                    password_hash="",
                    now_ms=now,
                )
            except IntegrityError:
                raise WrongPerson(Fault.LOGIN_TAKEN, "login") from None
            self._audit(db, who, "user-add", user, details.role.value)
            user_id = user.id
            db.commit()
        return user_id

    def change(self, who: Principal, user_id: str, details: Details) -> None:
        """Raises NoSuchPerson, WrongPerson. Who gets another role or school signs in anew."""
        with Session(self._engine) as db:
            user = _in_scope(db, who, user_id)
            _check(db, who, details)
            moved = (user.role, user.school_id) != (details.role.value, details.school_id)
            if moved:
                _not_oneself(who, user)
                _not_the_last(db, user)
                store.end_sessions(db, user.id)
            user.name, user.role, user.school_id = details.name.strip(), details.role.value, details.school_id
            where = details.school_id or "cluster"
            self._audit(db, who, "user-change", user, f"{details.role.value} {where}" if moved else "name")
            db.commit()

    def disable(self, who: Principal, user_id: str, *, disabled: bool) -> None:
        """A disabled account's sessions and tokens stop working at once. Raises NoSuchPerson, WrongPerson."""
        with Session(self._engine) as db:
            user = _in_scope(db, who, user_id)
            if disabled:
                _not_oneself(who, user)
                _not_the_last(db, user)
                store.end_sessions(db, user.id)
            user.disabled, user.waiting = disabled, False
            self._audit(db, who, "user-disable" if disabled else "user-enable", user)
            db.commit()

    def unlock(self, who: Principal, user_id: str) -> None:
        """Forget the tries that were counted. Raises NoSuchPerson."""
        with Session(self._engine) as db:
            user = _in_scope(db, who, user_id)
            tries.forgive(db, user.id)
            self._audit(db, who, "user-unlock", user)
            db.commit()

    def end_sessions(self, who: Principal, user_id: str) -> None:
        """Raises NoSuchPerson."""
        with Session(self._engine) as db:
            user = _in_scope(db, who, user_id)
            store.end_sessions(db, user.id)
            self._audit(db, who, "sessions-end", user)
            db.commit()

    def reset(self, who: Principal, user_id: str) -> str:
        """The secret of a link to choose a password: told once, good once, for `RESET_MS`. A former link ends.

        The old password stays until then. Raises NoSuchPerson.
        """
        secret, now = store.new_secret(), self._now_ms()
        with Session(self._engine) as db:
            user = _in_scope(db, who, user_id)
            store.put_reset(db, user.id, secret, created_by=who.id, expires_ms=now + RESET_MS)
            self._audit(db, who, "reset-link", user)
            db.commit()
        return secret

    def unlink(self, who: Principal, user_id: str, issuer: str, subject: str) -> None:
        """Raises NoSuchPerson."""
        with Session(self._engine) as db:
            user = _in_scope(db, who, user_id)
            if unlink(db, user.id, issuer, subject):
                store.end_sessions(db, user.id)
                self._audit(db, who, "oidc-unlink", user)
            db.commit()

    def join(self, who: Principal, waiting_id: str, login: str) -> str:
        """Who waits is the person of the account `login`, whose id it returns: from now on they sign in to that.

        The account that waited stays, disabled and without a way in. Raises NoSuchPerson, WrongPerson.
        """
        with Session(self._engine) as db:
            waiting, kept = _in_scope(db, who, waiting_id), store.user_by_login(db, login)
            if not waiting.waiting:
                raise NoSuchPerson(waiting_id)
            if kept is None or not who.scope.covers(kept.school_id) or kept.id == waiting.id:
                raise WrongPerson(Fault.LOGIN, "login")
            move_links(db, waiting.id, kept.id)
            waiting.waiting, waiting.disabled = False, True
            self._audit(db, who, "oidc-link", kept, f"from {waiting.id}")
            kept_id = kept.id
            db.commit()
        return kept_id

    def _lines(self, db: Session, found: Sequence[User]) -> list[PersonLine]:
        until = tries.locked_until_ms(db, [each.id for each in found], self._now_ms())
        return [
            PersonLine(
                id=each.id,
                login=each.login,
                name=each.name,
                role=Role(each.role),
                school_id=each.school_id,
                disabled=each.disabled,
                waiting=each.waiting,
                locked_ms=until.get(each.id),
            )
            for each in found
        ]

    def _audit(self, db: Session, who: Principal, action: str, user: User, detail: str = "") -> None:
        now, school = self._now_ms(), user.school_id
        store.audit(db, now, action, actor=who.id, subject=user.id, school_id=school, detail=detail)


def _in_scope(db: Session, who: Principal, user_id: str) -> User:
    user = store.user(db, user_id)
    if user is None or not who.scope.covers(user.school_id):
        raise NoSuchPerson(user_id)
    return user


def _check(db: Session, who: Principal, details: Details) -> None:
    """Raises WrongPerson."""
    if not 1 <= len(details.name.strip()) <= LONGEST_NAME or not details.name.isprintable():
        raise WrongPerson(Fault.NAME, "name")
    if details.school_id is None and needs_school(details.role):
        raise WrongPerson(Fault.NEEDS_SCHOOL, "school")
    known = details.school_id is None or db.get(School, details.school_id) is not None
    if not known or not who.scope.covers(details.school_id):
        raise WrongPerson(Fault.SCHOOL, "school")


def _not_oneself(who: Principal, user: User) -> None:
    """Nobody takes away their own way back. Raises WrongPerson."""
    if who.id == user.id:
        raise WrongPerson(Fault.ONESELF)


def _not_the_last(db: Session, user: User) -> None:
    """Somebody looks after the cluster. Raises WrongPerson."""
    keeps = user.role == Role.ADMINISTRATOR and user.school_id is None and not user.disabled
    if keeps and store.administrators(db) == 1:
        raise WrongPerson(Fault.LAST)
