"""Attacks that were refused, as the audit log is told of them: enough to see, too little to fill the disk."""

import logging
import threading
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from controller.identity import store
from controller.identity.lockout import place_of
from controller.sparing import Sparing, with_count

WINDOW_MS: Final = 60_000
"""Of one kind from one place there is a line in this time; the next line says how many there were besides."""
_log = logging.getLogger(__name__)


class Kind(StrEnum):
    """The actions of the lines. These names are kept."""

    FORM = "form-refused"
    TOKEN = "token-refused"  # noqa: S105 - a word, not one
    TOO_LARGE = "request-too-large"
    TOO_SLOW = "request-too-slow"
    SIGN_IN = "sign-in-blocked"
    REDIRECT = "redirect-refused"
    PATH = "path-refused"
    FILE_NAME = "file-name-refused"
    TOPIC = "topic-refused"
    MESSAGE = "message-too-large"
    BROKER = "broker-sign-in-refused"
    FLOOD = "broker-sign-in-flood"
    RECLAIM = "reclaim-refused"
    RENEWAL = "renewal-refused"


WINDOWS_MS: Final[Mapping[Kind, int]] = {Kind.BROKER: 60 * WINDOW_MS, Kind.RECLAIM: 60 * WINDOW_MS}
"""Of these there is a line less often: an agent that was revoked goes on asking for as long as it runs."""


class Refusals:
    """Safe to use from any thread."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._sparing: Sparing[tuple[Kind, str]] = Sparing()
        self._lock = threading.Lock()

    def tell(
        self, kind: Kind, address: str, *, actor: str = "", school_id: str | None = None, detail: str = ""
    ) -> None:
        """Append a line unless there is one of late. Never raises: what was refused stays refused."""
        with self._lock:
            window_ms = WINDOWS_MS.get(kind, WINDOW_MS)
            besides = self._sparing.besides((kind, place_of(address)), self._now_ms(), window_ms)
        if besides is None:
            return
        told = with_count(detail, besides)
        try:
            with Session(self._engine) as db:
                store.audit(
                    db, self._now_ms(), kind, actor=actor, school_id=school_id, address=address, detail=told
                )  # fmt: skip
                db.commit()
        except (SQLAlchemyError, UnicodeEncodeError) as error:
            _log.warning("%s from %s could not be audited: %s", kind, address, type(error).__name__)
