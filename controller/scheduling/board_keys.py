"""Addresses by which a room's board is read without an account: one a room, made and taken back by who runs it."""

from collections.abc import Callable

from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.identity.policy import Principal
from controller.identity.store import audit, digest, new_secret
from controller.scheduling.tables import BoardKey


class BoardKeys:
    """Safe to use from any thread and any process. Whether somebody may, the caller asks."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def make(self, who: Principal, school_id: str, room_id: int) -> str:
        """The room's new key, which is told this once; the one before it leads nowhere from now on."""
        secret, now_ms = new_secret(), self._now_ms()
        with Session(self._engine) as db:
            made = BoardKey(
                room_id=room_id, school_id=school_id, secret_hash=digest(secret), by_id=who.id, made_ms=now_ms
            )
            key = db.merge(made)
            self._audit(db, "board-key-make", who, key)
            db.commit()
        return secret

    def take_back(self, who: Principal, room_id: int) -> None:
        with Session(self._engine) as db:
            key = db.get(BoardKey, room_id)
            if key is not None:
                db.delete(key)
                self._audit(db, "board-key-take-back", who, key)
                db.commit()

    def made_ms(self, room_id: int) -> int | None:
        """When the room's key was made, None if it has none."""
        with Session(self._engine) as db:
            return db.exec(select(BoardKey.made_ms).where(BoardKey.room_id == room_id)).first()

    def room_of(self, secret: str) -> int | None:
        """Whose board the key opens."""
        with Session(self._engine) as db:
            return db.exec(select(BoardKey.room_id).where(BoardKey.secret_hash == digest(secret))).first()

    def _audit(self, db: Session, action: str, who: Principal, key: BoardKey) -> None:
        audit(db, self._now_ms(), action, actor=who.id, subject=str(key.room_id), school_id=key.school_id)
