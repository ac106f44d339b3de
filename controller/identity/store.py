"""Every query of people, sessions, tokens and the audit log. The caller commits."""

import hashlib
import secrets
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, CursorResult, Table, delete, func, insert, or_, update
from sqlmodel import Session, col, select

from controller.identity.policy import Permission, Principal, Role
from controller.identity.tables import (
    ApiToken,
    AuditLine,
    EnrolToken,
    KnownPlace,
    PasswordReset,
    SignInTries,
    User,
    UserSession,
)
from controller.scope import CLUSTER, Scope

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


def principal(user: User, token: ApiToken | None = None) -> Principal:
    """Who an account is; by a token no more than that is good for."""
    only = None
    if token is not None and token.permissions is not None:
        only = frozenset(each for each in Permission if each in token.permissions.split())
    return Principal(
        id=user.id,
        login=user.login,
        name=user.name,
        role=Role(user.role),
        school_id=user.school_id,
        language=user.language,
        only=only,
        read_only=token is not None and token.read_only,
    )


# people


def user_by_login(db: Session, login: str) -> User | None:
    return db.exec(select(User).where(User.login == clean_login(login))).first()


def user(db: Session, user_id: str) -> User | None:
    return db.get(User, user_id)


def users(db: Session, scope: Scope = CLUSTER) -> Sequence[User]:
    """Those that belong to the scope, but not those who were erased. People of the whole cluster are of no school.

    By login.
    """
    found = select(User).where(col(User.erased_ms).is_(None)).order_by(User.login)
    if scope.school_id is not None:
        found = found.where(User.school_id == scope.school_id)
    return db.exec(found).all()


def administrators(db: Session) -> int:
    """How many look after the whole cluster and can sign in."""
    of_cluster = select(func.count()).where(User.role == Role.ADMINISTRATOR.value, col(User.school_id).is_(None))
    return db.exec(of_cluster.where(col(User.disabled).is_(False))).one()


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


def add_session(
    db: Session,
    user_id: str,
    token: str,
    *,
    shared_machine: bool,
    now_ms: int,
    expires_ms: int,
    address: str = "",
    client: str = "",
    provider: str = "",
) -> None:
    db.add(
        UserSession(
            token_hash=digest(token),
            user_id=user_id,
            shared_machine=shared_machine,
            created_ms=now_ms,
            seen_ms=now_ms,
            expires_ms=expires_ms,
            address=address[:64],
            client=client[:200],
            provider=provider,
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


def end_sessions(db: Session, user_id: str, *, but: str = "") -> int:
    """How many were ended. `but` is the secret of one that stays."""
    theirs = delete(UserSession).where(col(UserSession.user_id) == user_id)
    return _count(db.execute(theirs.where(col(UserSession.token_hash) != digest(but))))


def end_one_session(db: Session, user_id: str, token_hash: str) -> bool:
    """Whether somebody had that one."""
    theirs = delete(UserSession).where(col(UserSession.user_id) == user_id)
    return _count(db.execute(theirs.where(col(UserSession.token_hash) == token_hash))) > 0


def sessions(db: Session, user_id: str, now_ms: int) -> Sequence[UserSession]:
    """Where somebody is signed in, last used first."""
    live = select(UserSession).where(UserSession.user_id == user_id, UserSession.expires_ms > now_ms)
    return db.exec(live.order_by(col(UserSession.seen_ms).desc())).all()


def forget_expired(db: Session, now_ms: int) -> None:
    db.execute(delete(UserSession).where(col(UserSession.expires_ms) <= now_ms))
    db.execute(delete(EnrolToken).where(col(EnrolToken.expires_ms) <= now_ms))
    db.execute(delete(PasswordReset).where(col(PasswordReset.expires_ms) <= now_ms))


def end_everything(db: Session) -> None:
    """End all sessions and one-time tokens, and forget what was counted."""
    for table in (UserSession, EnrolToken, PasswordReset, SignInTries, KnownPlace):
        db.execute(delete(table))


# reset links


def put_reset(db: Session, user_id: str, token: str, *, created_by: str, expires_ms: int) -> None:
    """The person's one link from now on: a former one is good no more."""
    db.execute(delete(PasswordReset).where(col(PasswordReset.user_id) == user_id))
    reset = PasswordReset(user_id=user_id, token_hash=digest(token), created_by=created_by, expires_ms=expires_ms)
    db.add(reset)


def reset(db: Session, token: str, now_ms: int) -> tuple[PasswordReset, User] | None:
    """The link that is still good, and whose it is."""
    row = db.exec(
        select(PasswordReset, User)
        .where(PasswordReset.token_hash == digest(token), PasswordReset.expires_ms > now_ms)
        .where(PasswordReset.user_id == User.id, col(User.disabled).is_(False))
    ).first()
    return None if row is None else (row[0], row[1])


def use_reset(db: Session, token: str, now_ms: int) -> bool:
    """Use a link up. Of two at once one is told False."""
    good = delete(PasswordReset).where(col(PasswordReset.token_hash) == digest(token))
    return _count(db.execute(good.where(col(PasswordReset.expires_ms) > now_ms))) > 0


# tokens


def add_api_token(
    db: Session,
    *,
    user_id: str,
    name: str,
    token: str,
    now_ms: int,
    expires_ms: int | None,
    permissions: Collection[Permission] | None = None,
    read_only: bool = False,
    created_by: str = "",
) -> ApiToken:
    """`permissions` None: all that its owner may do."""
    added = ApiToken(
        id=new_id(),
        user_id=user_id,
        name=name,
        token_hash=digest(token),
        created_ms=now_ms,
        expires_ms=expires_ms,
        permissions=None if permissions is None else " ".join(sorted(permissions)),
        read_only=read_only,
        created_by=created_by,
    )
    db.add(added)
    return added


def by_api_token(db: Session, token: str, now_ms: int) -> tuple[ApiToken, User] | None:
    """A bearer token and whom it stands for; None if it is unknown, expired or revoked, or the account is disabled."""
    row = db.exec(
        select(ApiToken, User)
        .where(ApiToken.token_hash == digest(token), col(ApiToken.revoked).is_(False))
        .where(or_(col(ApiToken.expires_ms).is_(None), col(ApiToken.expires_ms) > now_ms))
        .where(ApiToken.user_id == User.id, col(User.disabled).is_(False))
    ).first()
    return None if row is None else (row[0], row[1])


def api_token(db: Session, token_id: str) -> ApiToken | None:
    return db.get(ApiToken, token_id)


def api_tokens(db: Session) -> Sequence[ApiToken]:
    return db.exec(select(ApiToken).order_by(col(ApiToken.created_ms))).all()


def owner_of_api_token(db: Session, token_id: str) -> User | None:
    """Whose token it is, revoked or not."""
    return db.exec(select(User).join(ApiToken).where(ApiToken.id == token_id)).first()


def tokens_of(db: Session, scope: Scope, user_id: str | None = None) -> Sequence[tuple[ApiToken, User]]:
    """The tokens that were not revoked, of one person or of all in the scope; newest first."""
    found = select(ApiToken, User).where(ApiToken.user_id == User.id, col(ApiToken.revoked).is_(False))
    if scope.school_id is not None:
        found = found.where(User.school_id == scope.school_id)
    if user_id is not None:
        found = found.where(User.id == user_id)
    return [(row[0], row[1]) for row in db.exec(found.order_by(col(ApiToken.created_ms).desc()))]


def token_used(db: Session, token_id: str, now_ms: int) -> None:
    db.execute(update(ApiToken).where(col(ApiToken.id) == token_id).values(used_ms=now_ms))


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
    """Take one use of a token; None if it has none left, or is over. Two at once can never share the last use."""
    taken = db.execute(
        update(EnrolToken)
        .where(col(EnrolToken.token_hash) == digest(token))
        .where(col(EnrolToken.uses_left) > 0, col(EnrolToken.expires_ms) > now_ms, col(EnrolToken.ended).is_(False))
        .values(uses_left=col(EnrolToken.uses_left) - 1)
    )
    if _count(taken) == 0:
        return None
    return db.exec(select(EnrolToken).where(EnrolToken.token_hash == digest(token))).first()


def enrol_token(db: Session, token: str) -> EnrolToken | None:
    """Also one that is used up, expired or ended."""
    return db.exec(select(EnrolToken).where(EnrolToken.token_hash == digest(token))).first()


def give_back_use(db: Session, token_id: str) -> None:
    """One that was taken, and came to nothing."""
    back = update(EnrolToken).where(col(EnrolToken.id) == token_id).values(uses_left=col(EnrolToken.uses_left) + 1)
    db.execute(back)


def enrol_tokens(db: Session, scope: Scope) -> Sequence[EnrolToken]:
    """Those that nobody has ended, the newest first: they let in, or back in."""
    found = select(EnrolToken).where(col(EnrolToken.ended).is_(False))
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
