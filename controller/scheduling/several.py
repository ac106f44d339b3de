"""Queries about several ids at a time, in the way in which each database does best."""

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from sqlalchemy import ARRAY, JSON, ColumnElement, Integer, SelectBase, any_, bindparam, func, select

Q = TypeVar("Q", bound=SelectBase)
IsOne: TypeAlias = Callable[[ColumnElement[int]], ColumnElement[bool]]
"""Whether a column is one of the ids that the query is given as `ids`."""


def by_dialect(query: Callable[[IsOne], Q]) -> Mapping[str, Q]:
    """The query for each kind of database: one text however many ids there are, prepared once."""
    given = func.json_each(bindparam("ids", type_=JSON)).table_valued("value")
    return {
        "sqlite": query(lambda column: column.in_(select(given.c.value))),
        "postgresql": query(lambda column: column == any_(bindparam("ids", type_=ARRAY(Integer)))),
    }
