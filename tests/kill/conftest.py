"""The PostgreSQL of all tests of a process, as tests/integration has it."""

from tests.integration.conftest import postgresql

__all__ = ["postgresql"]
