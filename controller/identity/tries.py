"""Counting tries to sign in, in the database: a restart forgets none. The caller commits."""

from collections.abc import Collection, Mapping

from sqlalchemy import delete
from sqlmodel import Session, col, select

from controller.identity import store
from controller.identity.lockout import (
    AT_PLACE,
    FORGET_MS,
    FROM_STRANGERS,
    KNOWN_MS,
    Rule,
    Tries,
    one_more,
    place_of,
)
from controller.identity.tables import KnownPlace, SignInTries

_ALL = "*"
"""In the place of a place: all that are not known."""


def take(db: Session, login: str, user_id: str, address: str, now_ms: int) -> int:
    """Count a try before it is looked at. How long to wait instead, 0 if it was counted and may go on.

    Nobody's login is counted as somebody's, so that nothing tells them apart.
    """
    counts = [(_key(login, place_of(address)), AT_PLACE)]
    if not _is_known(db, user_id, address, now_ms):
        counts.append((_key(login, _ALL), FROM_STRANGERS))
    rows = [(rule, _row(db, key)) for key, rule in counts]
    wait_ms = max(rule.wait_ms(_tries(row), now_ms) for rule, row in rows)
    if wait_ms > 0:
        return wait_ms
    for (key, _), (_, row) in zip(counts, rows, strict=True):
        now = one_more(_tries(row), now_ms)
        db.merge(SignInTries(key=key, subject=user_id, count=now.count, since_ms=now.since_ms, last_ms=now.last_ms))
    db.execute(delete(SignInTries).where(col(SignInTries.last_ms) <= now_ms - FORGET_MS))
    return 0


def succeeded(db: Session, login: str, user_id: str, address: str, now_ms: int) -> None:
    """The try that was taken was right: it does not count, and the place is known from now on."""
    mine = _row(db, _key(login, place_of(address)))
    if mine is not None:
        db.delete(mine)
    strangers = _row(db, _key(login, _ALL))
    if strangers is not None and not _is_known(db, user_id, address, now_ms):
        strangers.count -= 1
    db.merge(KnownPlace(place=_place(user_id, address), user_id=user_id, seen_ms=now_ms))
    db.execute(delete(KnownPlace).where(col(KnownPlace.seen_ms) <= now_ms - KNOWN_MS))


def forgive(db: Session, user_id: str) -> int:
    """Forget what was counted of an account. How many counts there were."""
    found = db.exec(select(SignInTries).where(SignInTries.subject == user_id)).all()
    for each in found:
        db.delete(each)
    return len(found)


def forgive_at(db: Session, login: str, address: str) -> None:
    """Forget what was counted of a login at one place."""
    found = _row(db, _key(login, place_of(address)))
    if found is not None:
        db.delete(found)


def locked_until_ms(db: Session, user_ids: Collection[str], now_ms: int) -> Mapping[str, int]:
    """Until when somebody has to wait who tries these accounts. Accounts that nobody waits for are not in it."""
    until: dict[str, int] = {}
    for row in db.exec(select(SignInTries).where(col(SignInTries.subject).in_(user_ids))):
        wait_ms = max(rule.wait_ms(_tries(row), now_ms) for rule in _rules_of(row))
        if wait_ms > 0:
            until[row.subject] = max(until.get(row.subject, 0), now_ms + wait_ms)
    return until


def _rules_of(row: SignInTries) -> tuple[Rule, ...]:
    return (FROM_STRANGERS,) if row.key.startswith(_ALL) else (AT_PLACE,)


def _row(db: Session, key: str) -> SignInTries | None:
    return db.get(SignInTries, key, with_for_update=True)


def _tries(row: SignInTries | None) -> Tries | None:
    return None if row is None else Tries(row.count, row.since_ms, row.last_ms)


def _key(login: str, place: str) -> str:
    mark = _ALL if place == _ALL else "@"
    return mark + store.digest(f"{store.clean_login(login)[:64]}\0{place}")[:63]


def _place(user_id: str, address: str) -> str:
    return store.digest(f"{user_id}\0{place_of(address)}")


def _is_known(db: Session, user_id: str, address: str, now_ms: int) -> bool:
    found = db.get(KnownPlace, _place(user_id, address)) if user_id else None
    return found is not None and found.seen_ms > now_ms - KNOWN_MS
