"""Files that wait between what they would do was shown and somebody said yes.

They lie in a folder and not in the page: a form of that size would have to be sent back with every look. They are
removed an hour after they came, at the next one that comes; nothing else knows of them, and a backup leaves them out.
"""

import json
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEEP_MS: Final = 3_600_000
MOST: Final = 50
"""Files. Of more the oldest goes."""
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it came: by whom, for which school, what it is about, and what it is called."""

    user_id: str
    school_id: str
    kind: str
    name: str
    content: bytes


class Tray:
    """Safe to use from any thread."""

    def __init__(self, folder: Path, now_ms: Callable[[], int]) -> None:
        self._folder = folder
        self._now_ms = now_ms

    def put(self, sent: Sent) -> str:
        """The random token under which it is found again."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        token = secrets.token_hex(16)
        about = json.dumps([self._now_ms(), sent.user_id, sent.school_id, sent.kind, sent.name])
        with os.fdopen(os.open(self._folder / token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(about.encode() + b"\n" + sent.content)
        return token

    def find(self, token: str, user_id: str) -> Sent | None:
        """None if there is none of that token, or none any more, or somebody else sent it."""
        if not _TOKEN.fullmatch(token):
            return None
        try:
            about, _, content = (self._folder / token).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        came_ms, sender, school_id, kind, name = json.loads(about)
        sent = Sent(sender, school_id, kind, name, content)
        return sent if sent.user_id == user_id and self._now_ms() - came_ms < KEEP_MS else None

    def remove(self, token: str) -> None:
        if _TOKEN.fullmatch(token):
            (self._folder / token).unlink(missing_ok=True)

    def _sweep(self) -> None:
        waiting = sorted(self._folder.iterdir(), key=_came_ms, reverse=True)
        for place, path in enumerate(waiting, 1):
            if place >= MOST or self._now_ms() - _came_ms(path) >= KEEP_MS:
                path.unlink(missing_ok=True)


def _came_ms(path: Path) -> int:
    """As the file says itself; long ago if it is gone or was cut off."""
    try:
        with path.open("rb") as file:
            return int(json.loads(file.readline())[0])
    except (OSError, ValueError):
        return 0
