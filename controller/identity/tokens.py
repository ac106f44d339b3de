"""Tokens for programs, as pages make and end them: by their owner, or by an administrator of the owner's scope."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session

from controller.identity import store
from controller.identity.policy import Permission, Principal, may
from controller.identity.tables import ApiToken, User

LONGEST_NAME: Final = 64
LONGEST_DAYS: Final = 366
MOST: Final = 20
"""Tokens of one person at the most."""
NEVER: Final = frozenset({Permission.MANAGE_USERS, Permission.SET_RIGHTS})
"""What no token made on a page is good for: people look after people."""
_DAY_MS: Final = 86_400_000


class Fault(StrEnum):
    NAME = "name"
    DAYS = "days"
    PERMISSIONS = "permissions"
    TOO_MANY = "too-many"


class WrongToken(Exception):
    """It was not made; `fault` says what is to be mended."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class NoSuchToken(Exception):
    """There is none of that id that the asker may end, or nobody to make one for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`permissions` are what it shall be good for; `days` until it ends."""

    name: str
    days: int
    permissions: Collection[Permission]
    read_only: bool


def grantable(owner: Principal) -> Sequence[Permission]:
    """What a token of that owner can be good for."""
    return [each for each in Permission if may(owner, each) and each not in NEVER]


class Tokens:
    """Safe to use from any thread."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def of(self, owner: Principal) -> Sequence[ApiToken]:
        """One's own, newest first."""
        with Session(self._engine) as db:
            found = [token for token, _ in store.tokens_of(db, owner.scope, owner.id)]
            db.expunge_all()
            return found

    def everybodys(self, who: Principal) -> Sequence[tuple[ApiToken, str]]:
        """Those of everybody in the scope, newest first, and whose they are."""
        with Session(self._engine) as db:
            found = [(token, owner.name) for token, owner in store.tokens_of(db, who.scope)]
            db.expunge_all()
            return found

    def make(self, who: Principal, owner_id: str, wish: Wish) -> str:
        """The token, told once. Raises WrongToken, NoSuchToken."""
        now, token = self._now_ms(), "ff_" + store.new_secret()
        with Session(self._engine) as db:
            owner = store.user(db, owner_id)
            if owner is None or not _may_change(who, owner):
                raise NoSuchToken(owner_id)
            wanted = frozenset(wish.permissions)
            if not 1 <= len(wish.name.strip()) <= LONGEST_NAME or not wish.name.isprintable():
                raise WrongToken(Fault.NAME)
            if not 1 <= wish.days <= LONGEST_DAYS:
                raise WrongToken(Fault.DAYS)
            if not wanted or not wanted <= set(grantable(store.principal(owner))):
                raise WrongToken(Fault.PERMISSIONS)
            live = [each for each, _ in store.tokens_of(db, who.scope, owner.id) if _lives(each, now)]
            if len(live) >= MOST:
                raise WrongToken(Fault.TOO_MANY)
            made = store.add_api_token(
                db,
                user_id=owner.id,
                name=wish.name.strip(),
                token=token,
                now_ms=now,
                expires_ms=now + wish.days * _DAY_MS,
                permissions=wanted,
                read_only=wish.read_only,
                created_by=who.id,
            )
            self._audit(db, who, "token-add", made, owner, detail=f"for {owner.id}")
            db.commit()
        return token

    def revoke(self, who: Principal, token_id: str) -> str:
        """Whose it was. Raises NoSuchToken."""
        with Session(self._engine) as db:
            found = store.api_token(db, token_id)
            owner = store.user(db, found.user_id) if found is not None else None
            if found is None or found.revoked or owner is None or not _may_change(who, owner):
                raise NoSuchToken(token_id)
            found.revoked = True
            self._audit(db, who, "token-revoke", found, owner)
            owner_id = owner.id
            db.commit()
        return owner_id

    def _audit(
        self, db: Session, who: Principal, action: str, token: ApiToken, owner: User, *, detail: str = ""
    ) -> None:
        now, school = self._now_ms(), owner.school_id
        store.audit(db, now, action, actor=who.id, subject=token.id, school_id=school, detail=detail)


def _may_change(who: Principal, owner: User) -> bool:
    return who.id == owner.id or (may(who, Permission.MANAGE_USERS) and who.scope.covers(owner.school_id))


def _lives(token: ApiToken, now_ms: int) -> bool:
    return token.expires_ms is None or token.expires_ms > now_ms
