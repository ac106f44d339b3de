"""A device's key: from its options or from a file of its own; never in a log, an address or an error."""

import os
import stat
from pathlib import Path

from firmware_bridges.base import Refused
from firmware_bridges.options import Options

_MOST_BYTES = 4096


class Secret:
    """Taken from the options `NAME` (agent.toml, which others may not read) or `NAME_file`, a path."""

    def __init__(self, given: Options, name: str = "key") -> None:
        """Raises ValueError if both are given."""
        self._name = f"{name}_file"
        self._text = given.text(name)
        self._path = given.text(self._name)
        if self._text and self._path:
            raise ValueError(f"{self._name}: give {name} or this, not both")
        if not self._text.isascii() or not self._text.isprintable():
            raise ValueError(f"{name}: it has letters that no key has")

    def __repr__(self) -> str:
        return "Secret(...)"

    def read(self) -> str:
        """The key, empty where none is given. Read anew each time, so that it may be changed. Raises Refused."""
        if not self._path:
            return self._text
        try:
            with Path(self._path).open("rb") as file:
                if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & stat.S_IRWXO:
                    raise Refused(f"{self._name} {self._path}: everybody may read it; chmod 640 and try again")
                text = file.read(_MOST_BYTES).decode("ascii").strip()
        except (OSError, ValueError) as error:
            raise Refused(
                f"{self._name} {self._path}: {getattr(error, 'strerror', None) or 'it holds no key'}"
            ) from None
        if not text or not text.isprintable():
            raise Refused(f"{self._name} {self._path}: there is no key in it")
        return text
