"""The next authority: made beside the one that signs, handed to every agent, and only then put in its place."""

from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlmodel import Session

from controller.config import ControllerConfig
from controller.fleet import renewals
from controller.identity.store import audit
from controller.tls.authority import anchor, make_authority
from controller.tls.store import NEXT, TlsStore


class RotationError(Exception):
    """Nothing was rotated; the message says why."""


def rotate(config: ControllerConfig, engine: Engine, now_ms: int, *, finish: bool = False) -> str:
    """Begin, or with `finish` end without waiting for agents that were not heard; what came of it, for people.

    A running controller follows within seconds. Raises RotationError, OSError.
    """
    store = TlsStore(config.folder)
    following = store.following()
    if finish:
        if following is None:
            raise RotationError("no authority is waiting: begin with `fabfleet ca rotate`")
        store.succeed()
        with Session(engine) as db:
            audit(db, now_ms, "authority-succeeded", subject=following.fingerprint, detail="by hand")
            renewals.ask(db, now_ms)
            db.commit()
        return f"{following.fingerprint} signs from now on; agents that do not trust it must be enrolled again"
    if following is not None:
        raise RotationError(f"{following.fingerprint} is waiting already until every agent trusts it")
    if store.anchor() is None:
        raise RotationError("there is no authority yet: it is made at the first start with TLS")
    made = make_authority(datetime.fromtimestamp(now_ms / 1000, UTC))
    with Session(engine) as db:
        audit(db, now_ms, "authority-made", subject=anchor(made.certificate).fingerprint)
        db.commit()
    store.write(NEXT, made)
    return f"{anchor(made.certificate).fingerprint} takes over once every agent trusts it"
