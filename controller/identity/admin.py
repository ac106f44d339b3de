"""Looking after accounts and tokens, as the command line does it: one transaction each, with its audit line."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from controller.fleet.enrolment import Place, ensure_place
from controller.fleet.tables import School
from controller.identity import store
from controller.identity.password import Passwords
from controller.identity.policy import Role
from controller.identity.tables import ApiToken, User
from controller.privacy.dossier import dossier
from controller.privacy.erasure import Eraser, NoSuchPerson


class AdminError(Exception):
    """It was not done; the message says why."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """`school_id` None: the whole cluster, which a teacher never has."""

    login: str
    name: str
    role: Role
    school_id: str | None


class Admin:
    """Changes accounts and tokens. What it returns of secrets is told once and stored as a hash."""

    def __init__(self, engine: Engine, passwords: Passwords, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._passwords = passwords
        self._now_ms = now_ms

    def users(self) -> list[User]:
        with Session(self._engine) as db:
            found = store.users(db)
            db.expunge_all()
            return list(found)

    def add_user(self, new: NewUser, password: str) -> str:
        """The new account's id. Raises AdminError."""
        if new.role is Role.TEACHER and new.school_id is None:
            raise AdminError("a teacher belongs to a school: give --school")
        if not store.clean_login(new.login) or len(new.login) > 64:
            raise AdminError("a login has 1 to 64 characters")
        hashed = self._hash(password)
        now = self._now_ms()
        with Session(self._engine) as db:
            _school_must_be(db, new.school_id)
            try:
                user = store.add_user(
                    db,
                    login=new.login,
                    name=new.name,
                    role=new.role,
                    school_id=new.school_id,
                    password_hash=hashed,
                    now_ms=now,
                )
            except IntegrityError:
                raise AdminError(f"there is an account {new.login} already") from None
            user_id = user.id
            store.audit(db, now, "user-add", subject=user_id, school_id=new.school_id, detail=new.role.value)
            db.commit()
        return user_id

    def set_password(self, login: str, password: str) -> None:
        """Also ends the account's sessions. Raises AdminError."""
        hashed = self._hash(password)
        with Session(self._engine) as db:
            user = _user(db, login)
            user.password_hash = hashed
            store.end_sessions(db, user.id)
            store.audit(db, self._now_ms(), "user-password", subject=user.id, school_id=user.school_id)
            db.commit()

    def disable(self, login: str, *, disabled: bool) -> None:
        """A disabled account's sessions and tokens stop working at once. Raises AdminError."""
        with Session(self._engine) as db:
            user = _user(db, login)
            user.disabled = disabled
            if disabled:
                store.end_sessions(db, user.id)
            action = "user-disable" if disabled else "user-enable"
            store.audit(db, self._now_ms(), action, subject=user.id, school_id=user.school_id)
            db.commit()

    def export(self, login: str) -> str:
        """All that is kept of a person, as `controller.privacy.dossier` has it. Raises AdminError."""
        now = self._now_ms()
        with Session(self._engine) as db:
            user = _user(db, login)
            user_id = user.id
            store.audit(db, now, "user-export", subject=user_id, school_id=user.school_id)
            db.commit()
        return dossier(self._engine, user_id, now)

    def erase(self, login: str) -> None:
        """For good, as `controller.privacy.erasure` does it. Raises AdminError."""
        with Session(self._engine) as db:
            user_id = _user(db, login).id
        try:
            Eraser(self._engine, self._now_ms).erase(user_id)
        except NoSuchPerson as error:
            raise AdminError(str(error)) from None

    def add_api_token(self, login: str, name: str, lasts_ms: int | None) -> str:
        """A bearer token that acts for an account. Raises AdminError."""
        now, token = self._now_ms(), "ff_" + store.new_secret()
        with Session(self._engine) as db:
            user = _user(db, login)
            expires_ms = None if lasts_ms is None else now + lasts_ms
            made = store.add_api_token(
                db, user_id=user.id, name=name, token=token, now_ms=now, expires_ms=expires_ms
            )  # fmt: skip
            store.audit(db, now, "token-add", subject=made.id, school_id=user.school_id, detail=f"for {user.id}")
            db.commit()
        return token

    def api_tokens(self) -> list[ApiToken]:
        with Session(self._engine) as db:
            found = store.api_tokens(db)
            db.expunge_all()
            return list(found)

    def revoke_api_token(self, token_id: str) -> None:
        """Raises AdminError."""
        with Session(self._engine) as db:
            if not store.revoke_api_token(db, token_id):
                raise AdminError(f"there is no token {token_id}")
            owner = store.owner_of_api_token(db, token_id)
            school_id = owner.school_id if owner is not None else None
            store.audit(db, self._now_ms(), "token-revoke", subject=token_id, school_id=school_id)
            db.commit()

    def add_enrol_token(self, place: Place, uses: int, lasts_ms: int) -> str:
        """A token that adds `uses` agents to a school; the school and room are made if they are new.

        Raises ContractError for names that cannot be part of a topic, AdminError.
        """
        if not 1 <= uses <= 10_000 or lasts_ms <= 0:
            raise AdminError("a token has 1 to 10,000 uses and expires in the future")
        now, token = self._now_ms(), "ffe_" + store.new_secret()
        with Session(self._engine) as db:
            ensure_place(db, place)
            made = store.add_enrol_token(
                db,
                token=token,
                school_id=place.school,
                room=place.room,
                uses=uses,
                now_ms=now,
                expires_ms=now + lasts_ms,
                created_by=None,
            )
            store.audit(db, now, "enrol-token", subject=made.id, school_id=place.school, detail=f"{uses} uses")
            db.commit()
        return token

    def _hash(self, password: str) -> str:
        try:
            return self._passwords.hash(password)
        except ValueError as error:
            raise AdminError(str(error)) from None


def _user(db: Session, login: str) -> User:
    user = store.user_by_login(db, login)
    if user is None:
        raise AdminError(f"there is no account {login}")
    return user


def _school_must_be(db: Session, school_id: str | None) -> None:
    if school_id is not None and db.get(School, school_id) is None:
        raise AdminError(f"there is no school {school_id}; a school is made with its first enrolment token")
