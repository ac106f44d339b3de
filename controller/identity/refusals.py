"""Attacks that were refused, as the audit log is told of them: enough to see, too little to fill the disk."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from controller.identity import store

WINDOW_MS: Final = 60_000
"""Of one kind from one address there is a line in this time; the next line says how many there were besides."""
_MOST: Final = 10_000
_log = logging.getLogger(__name__)


class Kind(StrEnum):
    """The actions of the lines. These names are kept."""

    FORM = "form-refused"
    TOKEN = "token-refused"  # noqa: S105 - a word, not one
    TOO_LARGE = "request-too-large"
    TOO_SLOW = "request-too-slow"
    SIGN_IN = "sign-in-blocked"


@dataclass(slots=True)
class _Seen:
    told_ms: int
    besides: int = 0


class Refusals:
    """Safe to use from any thread. Remembers a bounded number of addresses, and forgets the oldest first."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._seen: OrderedDict[tuple[Kind, str], _Seen] = OrderedDict()
        self._lock = threading.Lock()

    def tell(
        self, kind: Kind, address: str, *, actor: str = "", school_id: str | None = None, detail: str = ""
    ) -> None:
        """Append a line unless there is one of late. Never raises: what was refused stays refused."""
        besides = self._besides((kind, address))
        if besides is None:
            return
        told = f"{detail[:300]}; {besides} more since the last line" if besides else detail
        try:
            with Session(self._engine) as db:
                store.audit(
                    db, self._now_ms(), kind, actor=actor, school_id=school_id, address=address, detail=told
                )  # fmt: skip
                db.commit()
        except (SQLAlchemyError, UnicodeEncodeError) as error:
            _log.warning("%s from %s could not be audited: %s", kind, address, type(error).__name__)

    def _besides(self, key: tuple[Kind, str]) -> int | None:
        """How many were not told since the last line; None if this one is not told either."""
        with self._lock:
            now, seen = self._now_ms(), self._seen.get(key)
            if seen is not None and 0 <= now - seen.told_ms < WINDOW_MS:
                seen.besides += 1
                return None
            self._seen[key] = _Seen(now)
            self._seen.move_to_end(key)
            while len(self._seen) > _MOST:
                self._seen.popitem(last=False)
            return seen.besides if seen is not None else 0
