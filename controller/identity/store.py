"""Every query of people, sessions, tokens and the audit log. The caller commits."""

import hashlib
import secrets
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, CursorResult, Table, delete, insert, or_, update
from sqlmodel import Session, col, select

from controller.identity.policy import Principal, Role
from controller.identity.tables import ApiToken, AuditLine, EnrolToken, User, UserSession
from controller.scope import Scope

_AUDIT_LINE: Table = AuditLine.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


def new_id() -> str:
    """An opaque id."""
    return secrets.token_hex(8)


def new_secret() -> str:
    """256 random bits for a cookie or a token."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of a secret of 256 bits; a slow hash would add nothing to it."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def clean_login(login: str) -> str:
    """Logins are compared without case and outer blanks, in NFC."""
    return unicodedata.normalize("NFC", login).strip().casefold()


def principal(user: User) -> Principal:
    return Principal(user.id, user.login, user.name, Role(user.role), user.school_id, user.language)


# people


def user_by_login(db: Session, login: str) -> User | None:
    return db.exec(select(User).where(User.login == clean_login(login))).first()


def user(db: Session, user_id: str) -> User | None:
    return db.get(User, user_id)


def users(db: Session) -> Sequence[User]:
    """All but those who were erased."""
    return db.exec(select(User).where(col(User.erased_ms).is_(None)).order_by(User.login)).all()


def people(db: Session, scope: Scope) -> Sequence[User]:
    """Whose accounts are within a scope, without those that were erased. By name."""
    found = select(User).where(col(User.erased_ms).is_(None)).order_by(User.name, User.login)
    if scope.school_id is not None:
        found = found.where(User.school_id == scope.school_id)
    return db.exec(found).all()


def staff(db: Session, scope: Scope) -> Sequence[User]:
    """Who may be named at a booking: the people of a school and those of the whole cluster. By name."""
    found = select(User).where(col(User.disabled).is_(False)).order_by(User.name)
    if scope.school_id is not None:
        found = found.where(or_(col(User.school_id) == scope.school_id, col(User.school_id).is_(None)))
    return db.exec(found).all()


def names(db: Session, user_ids: Collection[str]) -> Mapping[str, str]:
    """What these people are called, by id. Who is unknown is not in it."""
    return dict(db.exec(select(User.id, User.name).where(col(User.id).in_(user_ids))).all())


def add_user(
    db: Session, *, login: str, name: str, role: Role, school_id: str | None, password_hash: str, now_ms: int
) -> User:
    """Raises sqlalchemy.exc.IntegrityError at the flush if the login is taken."""
    added = User(
        id=new_id(),
        login=clean_login(login),
        name=name,
        role=role.value,
        school_id=school_id,
        password_hash=password_hash,
        created_ms=now_ms,
    )
    db.add(added)
    db.flush()
    return added


# sessions


def add_session(db: Session, user_id: str, token: str, *, shared_machine: bool, now_ms: int, expires_ms: int) -> None:
    db.add(
        UserSession(
            token_hash=digest(token),
            user_id=user_id,
            shared_machine=shared_machine,
            created_ms=now_ms,
            seen_ms=now_ms,
            expires_ms=expires_ms,
        )
    )


def session(db: Session, token: str, now_ms: int) -> tuple[UserSession, User] | None:
    """The live session of a cookie, and whose it is; None if it ended or the account is disabled."""
    return _pair(
        db.exec(
            select(UserSession, User)
            .where(UserSession.token_hash == digest(token), UserSession.expires_ms > now_ms)
            .where(UserSession.user_id == User.id, col(User.disabled).is_(False))
        ).first()
    )


def _pair(row: tuple[UserSession, User] | None) -> tuple[UserSession, User] | None:
    return None if row is None else (row[0], row[1])


def touch_session(db: Session, token_hash: str, now_ms: int, expires_ms: int) -> None:
    """Slide a session's end. One that was ended meanwhile stays ended."""
    db.execute(
        update(UserSession)
        .where(col(UserSession.token_hash) == token_hash)
        .values(seen_ms=now_ms, expires_ms=expires_ms)
    )


def end_session(db: Session, token: str) -> bool:
    """Whether there was one."""
    return _count(db.execute(delete(UserSession).where(col(UserSession.token_hash) == digest(token)))) > 0


def end_sessions(db: Session, user_id: str) -> int:
    """How many were ended."""
    return _count(db.execute(delete(UserSession).where(col(UserSession.user_id) == user_id)))


def forget_expired(db: Session, now_ms: int) -> None:
    db.execute(delete(UserSession).where(col(UserSession.expires_ms) <= now_ms))
    db.execute(delete(EnrolToken).where(col(EnrolToken.expires_ms) <= now_ms))


def end_everything(db: Session) -> None:
    """End all sessions and one-time tokens."""
    db.execute(delete(UserSession))
    db.execute(delete(EnrolToken))


# tokens


def add_api_token(db: Session, *, user_id: str, name: str, token: str, now_ms: int, expires_ms: int | None) -> ApiToken:
    added = ApiToken(
        id=new_id(), user_id=user_id, name=name, token_hash=digest(token), created_ms=now_ms, expires_ms=expires_ms
    )
    db.add(added)
    return added


def user_of_api_token(db: Session, token: str, now_ms: int) -> User | None:
    """Whom a bearer token stands for; None if it is unknown, expired or revoked, or the account is disabled."""
    row = db.exec(
        select(ApiToken, User)
        .where(ApiToken.token_hash == digest(token), col(ApiToken.revoked).is_(False))
        .where(ApiToken.user_id == User.id, col(User.disabled).is_(False))
    ).first()
    if row is None:
        return None
    found, owner = row
    return owner if found.expires_ms is None or found.expires_ms > now_ms else None


def api_tokens(db: Session) -> Sequence[ApiToken]:
    return db.exec(select(ApiToken).order_by(col(ApiToken.created_ms))).all()


def owner_of_api_token(db: Session, token_id: str) -> User | None:
    """Whose token it is, revoked or not."""
    return db.exec(select(User).join(ApiToken).where(ApiToken.id == token_id)).first()


def revoke_api_token(db: Session, token_id: str) -> bool:
    """Whether there was one to revoke."""
    return _count(db.execute(update(ApiToken).where(col(ApiToken.id) == token_id).values(revoked=True))) > 0


def add_enrol_token(
    db: Session,
    *,
    token: str,
    school_id: str,
    room: str,
    uses: int,
    now_ms: int,
    expires_ms: int,
    created_by: str | None,
    agent: str = "",
) -> EnrolToken:
    added = EnrolToken(
        id=new_id(),
        token_hash=digest(token),
        school_id=school_id,
        room=room,
        uses_left=uses,
        uses=uses,
        agent=agent,
        created_by=created_by,
        created_ms=now_ms,
        expires_ms=expires_ms,
    )
    db.add(added)
    return added


def use_enrol_token(db: Session, token: str, now_ms: int) -> EnrolToken | None:
    """Take one use of a token; None if it has none left. Two at once can never share the last use."""
    taken = db.execute(
        update(EnrolToken)
        .where(col(EnrolToken.token_hash) == digest(token))
        .where(col(EnrolToken.uses_left) > 0, col(EnrolToken.expires_ms) > now_ms)
        .values(uses_left=col(EnrolToken.uses_left) - 1)
    )
    if _count(taken) == 0:
        return None
    return db.exec(select(EnrolToken).where(EnrolToken.token_hash == digest(token))).first()


def enrol_token(db: Session, token: str) -> EnrolToken | None:
    """Also one that is used up or expired, as long as it is kept."""
    return db.exec(select(EnrolToken).where(EnrolToken.token_hash == digest(token))).first()


def give_back_use(db: Session, token_id: str) -> None:
    """One that was taken, and came to nothing."""
    back = update(EnrolToken).where(col(EnrolToken.id) == token_id).values(uses_left=col(EnrolToken.uses_left) + 1)
    db.execute(back)


def enrol_tokens(db: Session, scope: Scope, now_ms: int) -> Sequence[EnrolToken]:
    """Those that still let in, the newest first."""
    found = select(EnrolToken).where(col(EnrolToken.uses_left) > 0, col(EnrolToken.expires_ms) > now_ms)
    if scope.school_id is not None:
        found = found.where(EnrolToken.school_id == scope.school_id)
    return db.exec(found.order_by(col(EnrolToken.created_ms).desc())).all()


# audit


def audit(
    db: Session | Connection,
    at_ms: int,
    action: str,
    *,
    actor: str = "",
    subject: str = "",
    school_id: str | None = None,
    address: str = "",
    detail: str = "",
) -> None:
    """Append one line, in the transaction of what it tells of."""
    line = AuditLine(
        at_ms=at_ms,
        actor=actor,
        action=action,
        subject=subject,
        school_id=school_id,
        address=address[:64],
        detail=detail[:500],
    )
    if isinstance(db, Connection):
        db.execute(insert(_AUDIT_LINE), line.model_dump(exclude={"id"}))
    else:
        db.add(line)


def audit_lines(db: Session, limit: int = 1_000) -> Sequence[AuditLine]:
    """The newest lines, oldest of them first."""
    newest = db.exec(select(AuditLine).order_by(col(AuditLine.id).desc()).limit(limit)).all()
    return list(reversed(newest))


def _count(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
