"""Saying what can be booked, where, by which hours and limits, and who is certified for it."""

from collections.abc import Callable, Iterable

from sqlalchemy import Engine
from sqlmodel import Session

from controller.identity.policy import Principal
from controller.scheduling.entries import Entry


class Stocktaking:
    """Safe to use from any thread and any process. Each asker changes what is of schools of their scope alone.

    What is outside of it or not there raises NoSuchEntry; what cannot be WrongEntry, as the entries themselves do when
    they are made. That the asker has the permission PLAN is for the caller to see to. `changed` is called after every
    commit of `change`; who calls `apply` calls it after their own.
    """

    def __init__(self, engine: Engine, now_ms: Callable[[], int], changed: Callable[[], None]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._changed = changed

    def change(self, who: Principal, entries: Iterable[Entry]) -> list[int | None]:
        """`apply` in a transaction of its own, in which it is also all or nothing."""
        raise NotImplementedError

    def apply(self, db: Session, who: Principal, entries: Iterable[Entry]) -> list[int | None]:
        """All of it, in its order, with a line each in the audit log. For each entry the id of what was written, None
        of limits, hours and what was removed. The caller has begun a transaction that writes (`claims.begin`), and
        commits.

        Raises NoSuchEntry, WrongEntry before it writes anything of that entry: what was applied before it still stands.
        """
        raise NotImplementedError
