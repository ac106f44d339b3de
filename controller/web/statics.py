"""The files that pages load. Their address carries a digest of all of them, so that no page meets an older script."""

import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"
_VERSIONED = re.compile(r"^v-[0-9a-f]{12}/")


@cache
def version() -> str:
    """Twelve hexadecimal digits that change with any of the files."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def static_url(name: str) -> str:
    """Where a page finds the file `name`. Relative addresses inside the files keep the version."""
    return f"/static/v-{version()}/{name}"


class Statics(StaticFiles):
    """Serves FOLDER, with or without a version before the name. Mount it at /static."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    def get_path(self, scope: Scope) -> str:
        return _VERSIONED.sub("", super().get_path(scope))
