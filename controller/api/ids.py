"""Ids that somebody gives."""

from typing import Annotated, Final, TypeAlias

from fastapi import Path
from pydantic import Field

LARGEST: Final = 2**31 - 1
"""Databases count rows up to here."""
RowId: TypeAlias = Annotated[int, Path(ge=0, le=LARGEST)]
"""In an address."""
GivenId: TypeAlias = Annotated[int, Field(ge=0, le=LARGEST)]
"""In a question or a body."""
