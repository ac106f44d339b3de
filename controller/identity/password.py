"""Passwords: argon2id, at most two at a time, and the same work whether or not the login exists.

What makes a good one is its length, and that nobody tries it first: no rule asks for kinds of characters.
"""

import secrets
import threading
import unicodedata
from collections.abc import Collection
from enum import StrEnum
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 10
LONGEST = 200
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that reads like something else
_COMMON_HERE = frozenset(
    """
    matkhau123 matkhau1234 matkhau12345 matkhau123456 mậtkhẩu123 khongcomatkhau khôngcómậtkhẩu anhyeuem123 emyeuanh123
    yeuemnhieu yeuanhnhieu anhyeuem1314 hoilamgi123 giaovien123 giaovien1234 hocsinh123 truonghoc123 kythuat123
    quantri123 hanoi12345 vietnam123 vietnam1234 vietnam2026 xinchao123 xinchao1234 fabfleet123 fabfleet1234
    password1234 admin12345 admin123456 administrator 0123456789 01234567890 0987654321 abcd123456 abcdef1234
    abcdefghij abc123456789 qwertyuiop123 asdfghjkl123 1234512345 1231231231
    """.split()  # noqa: SIM905 - words read best as words
)


class Fault(StrEnum):
    """What is not good about a password."""

    SHORT = "short"
    LONG = "long"
    COMMON = "common"
    OWN_NAME = "own-name"


class WeakPassword(ValueError):
    """It cannot be taken as a password; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        texts = {
            Fault.COMMON: "this password is one of those that are tried first",
            Fault.OWN_NAME: "the password is the account's own name",
        }
        super().__init__(texts.get(fault, f"a password has {SHORTEST} to {LONGEST} characters"))
        self.fault = fault


class Passwords:
    """Hashes and checks. `hasher` sets the cost; a hash takes tens of MB, hence the bound on how many run at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = threading.BoundedSemaphore(2)
        self._nobody = ""

    def hash(self, password: str, *, names: Collection[str] = ()) -> str:
        """Raises WeakPassword for one that is too short, too long, among the commonest, or one of `names`."""
        fault = fault_of(password, names)
        if fault is not None:
            raise WeakPassword(fault)
        with self._slots:
            return self._hasher.hash(password)

    def check(self, password: str, stored: str | None) -> bool:
        """Whether it is the password of `stored`. With none (no such login) it takes as long and is False."""
        with self._slots:
            try:
                self._hasher.verify(stored or self._hash_of_nobody(), password[: LONGEST + 1])
            except (VerificationError, InvalidHashError):
                return False
        return bool(stored)

    def _hash_of_nobody(self) -> str:
        """Made when it is first needed: a start does not wait for it."""
        if not self._nobody:
            self._nobody = self._hasher.hash(secrets.token_hex(16))
        return self._nobody


def fault_of(password: str, names: Collection[str] = ()) -> Fault | None:
    """What is not good about it as the password of whoever has these names; None: nothing."""
    if len(password) < SHORTEST:
        return Fault.SHORT
    if len(password) > LONGEST:
        return Fault.LONG
    plain = _plain(password)
    if plain in commonest() or len(set(plain)) < 3:
        return Fault.COMMON
    return Fault.OWN_NAME if plain in {_plain(name) for name in names} else None


@cache
def commonest() -> frozenset[str]:
    """Passwords that are tried first and are long enough for us: zxcvbn's ranking, and what is common here."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # 14 MB: only when somebody chooses a password

    return _COMMON_HERE | {each for each in FREQUENCY_LISTS["passwords"] if len(each) >= SHORTEST}


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).casefold().split())


def generate() -> str:
    """A password of 80 bits that can be read out: `xxxx-xxxx-xxxx-xxxx`."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
