"""People, their sessions and tokens, and the audit log."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Index, LargeBinary, false
from sqlalchemy import text as sa_text
from sqlmodel import Field, SQLModel

_NO: Final[Mapping[str, Any]] = {"server_default": false()}
_EMPTY: Final[Mapping[str, Any]] = {"server_default": sa_text("''")}
"""What rows got that were there before the column was."""


class User(SQLModel, table=True):
    """An account. `id` is opaque and means nothing; only this row knows whom it stands for.

    Without `password_hash` no password lets in. One that is `waiting` came in by a provider of sign-ins and is disabled
    until an administrator has looked at it. Since `erased_ms` nobody knows it: the row is blank, and stays because
    others name its id.
    """

    __tablename__ = "user_account"

    id: str = Field(primary_key=True, max_length=32)
    login: str = Field(unique=True, max_length=64)
    name: str = Field(max_length=128)
    role: str = Field(max_length=20)
    school_id: str | None = Field(default=None, foreign_key="school.id", index=True, max_length=63)
    password_hash: str = Field(max_length=200)
    language: str = Field(default="", max_length=5)
    disabled: bool = Field(default=False)
    waiting: bool = Field(default=False, sa_column_kwargs=_NO)
    created_ms: int = Field(sa_type=BigInteger)
    erased_ms: int | None = Field(default=None, sa_type=BigInteger)


class UserSession(SQLModel, table=True):
    """A signed-in browser. `token_hash` is the SHA-256 of what its cookie holds; `client` is what the browser called
    itself, and `provider` who vouched for the person, empty for a password.
    """

    __tablename__ = "user_session"

    token_hash: str = Field(primary_key=True, max_length=64)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    shared_machine: bool
    created_ms: int = Field(sa_type=BigInteger)
    seen_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger, index=True)
    address: str = Field(default="", max_length=64, sa_column_kwargs=_EMPTY)
    client: str = Field(default="", max_length=200, sa_column_kwargs=_EMPTY)
    provider: str = Field(default="", max_length=32, sa_column_kwargs=_EMPTY)


class SignInTries(SQLModel, table=True):
    """Tries to sign in that have not succeeded, counted by `key`: see controller.identity.lockout.

    `subject` is the account's id, empty if nobody has that login.
    """

    __tablename__ = "sign_in_tries"

    key: str = Field(primary_key=True, max_length=64)
    subject: str = Field(default="", index=True, max_length=32)
    count: int
    since_ms: int = Field(sa_type=BigInteger)
    last_ms: int = Field(sa_type=BigInteger, index=True)


class KnownPlace(SQLModel, table=True):
    """A network address from which somebody has signed in. `place` is a digest of both."""

    __tablename__ = "known_place"

    place: str = Field(primary_key=True, max_length=64)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    seen_ms: int = Field(sa_type=BigInteger, index=True)


class PasswordReset(SQLModel, table=True):
    """The right to choose a password, once, until `expires_ms`. A person has one at the most."""

    __tablename__ = "password_reset"

    user_id: str = Field(primary_key=True, foreign_key="user_account.id", max_length=32)
    token_hash: str = Field(unique=True, max_length=64)
    created_by: str = Field(max_length=32)
    expires_ms: int = Field(sa_type=BigInteger)


class OidcLink(SQLModel, table=True):
    """The person whom a provider of sign-ins knows as `subject` is the one of this account."""

    __tablename__ = "oidc_link"

    issuer: str = Field(primary_key=True, max_length=255)
    subject: str = Field(primary_key=True, max_length=255)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    email: str = Field(default="", max_length=254)
    created_ms: int = Field(sa_type=BigInteger)


class ApiToken(SQLModel, table=True):
    """A bearer token of a program that acts for `user_id`.

    `permissions` are what it is good for, parted by blanks; None: whatever its owner may do.
    """

    __tablename__ = "api_token"

    id: str = Field(primary_key=True, max_length=32)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    name: str = Field(max_length=128)
    token_hash: str = Field(unique=True, max_length=64)
    created_ms: int = Field(sa_type=BigInteger)
    expires_ms: int | None = Field(default=None, sa_type=BigInteger)
    revoked: bool = Field(default=False)
    permissions: str | None = Field(default=None, max_length=500)
    read_only: bool = Field(default=False, sa_column_kwargs=_NO)
    created_by: str = Field(default="", max_length=32, sa_column_kwargs=_EMPTY)
    used_ms: int | None = Field(default=None, sa_type=BigInteger)


class EnrolToken(SQLModel, table=True):
    """The right to add `uses_left` of `uses` agents to a school until `expires_ms`.

    After that, computers that are known may come back with it, until a person has `ended` it. One with an `agent` puts
    another computer in the place of that agent.
    """

    __tablename__ = "enrol_token"

    id: str = Field(primary_key=True, max_length=32)
    token_hash: str = Field(unique=True, max_length=64)
    school_id: str = Field(foreign_key="school.id", index=True, max_length=63)
    room: str = Field(default="", max_length=63)
    uses_left: int
    uses: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    ended: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    agent: str = Field(default="", max_length=63, sa_column_kwargs={"server_default": sa_text("''")})
    created_by: str | None = Field(default=None, max_length=32)
    created_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)


class AuditLine(SQLModel, table=True):
    """One thing that was done. Plain appends: lines are never changed and never deleted.

    `actor` is a user's opaque id, or empty for the command line and for people unknown; `subject` is the id of
    what was acted upon. No line holds a name, a login or a secret.
    """

    __tablename__ = "audit_line"
    __table_args__ = (
        Index("ix_audit_line_actor", "actor", "id"),
        Index("ix_audit_line_subject", "subject", "id"),
        Index("ix_audit_line_school", "school_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = Field(sa_type=BigInteger, index=True)
    actor: str = Field(default="", max_length=32)
    action: str = Field(max_length=40)
    subject: str = Field(default="", max_length=200)
    school_id: str | None = Field(default=None, max_length=63)
    address: str = Field(default="", max_length=64)
    detail: str = Field(default="", max_length=500)


class AuditSegment(SQLModel, table=True):
    """Sealed lines of the audit log: `controller.identity.seals.Segment`, and when that was."""

    __tablename__ = "audit_segment"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    from_id: int
    to_id: int
    count: int
    lines_hash: str = Field(max_length=64)
    before: str = Field(max_length=64)
    seal: str = Field(max_length=64)
    prints: bytes = Field(sa_type=LargeBinary)
    sealed_ms: int = Field(sa_type=BigInteger)
