"""Every query of who is whom at the providers of sign-ins. The caller commits."""

from collections.abc import Sequence

from sqlalchemy import CursorResult, delete, func, update
from sqlmodel import Session, col, select

from controller.identity.tables import OidcLink, User


def linked(db: Session, issuer: str, subject: str) -> User | None:
    """The account of whom a provider knows as `subject`."""
    link = db.get(OidcLink, (issuer, subject))
    return None if link is None else db.get(User, link.user_id)


def links_of(db: Session, user_id: str) -> Sequence[OidcLink]:
    return db.exec(select(OidcLink).where(OidcLink.user_id == user_id).order_by(OidcLink.issuer)).all()


def link(db: Session, *, issuer: str, subject: str, user_id: str, email: str, now_ms: int) -> None:
    """Raises sqlalchemy.exc.IntegrityError at the flush if the provider's person has an account."""
    db.add(OidcLink(issuer=issuer, subject=subject, user_id=user_id, email=email[:254], created_ms=now_ms))
    db.flush()


def unlink(db: Session, user_id: str, issuer: str, subject: str) -> bool:
    """Whether there was one."""
    those = delete(OidcLink).where(col(OidcLink.user_id) == user_id)
    done = db.execute(those.where(col(OidcLink.issuer) == issuer, col(OidcLink.subject) == subject))
    return isinstance(done, CursorResult) and done.rowcount > 0


def move_links(db: Session, from_id: str, to_id: str) -> None:
    db.execute(update(OidcLink).where(col(OidcLink.user_id) == from_id).values(user_id=to_id))


def waiting(db: Session) -> int:
    """How many wait for an administrator."""
    return db.exec(select(func.count()).where(col(User.waiting).is_(True))).one()
