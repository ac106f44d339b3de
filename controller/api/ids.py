"""Ids in addresses."""

from typing import Annotated, Final, TypeAlias

from fastapi import Path

LARGEST: Final = 2**31 - 1
"""Databases count rows up to here."""
RowId: TypeAlias = Annotated[int, Path(ge=0, le=LARGEST)]
