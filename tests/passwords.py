"""Passwords that are hashed in no time: what a real hash costs is paid by the tests of sign-in alone."""

from argon2 import PasswordHasher

from controller.identity.password import Passwords

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def quick() -> Passwords:
    """What they hash is checked as quickly by any controller: the cost is part of the hash."""
    return Passwords(QUICK)
