"""What a NATS server's log says of clients that tried what they may not. Pure: lines in, offences out.

The server puts what a client chose itself (its id, a topic, a user name) in quotes, with line ends and quotes escaped,
so that no client can write a line of its own. The address is the server's own word; the id is only what was claimed.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_CLIENT: Final = re.compile(
    rf"^\[(?P<pid>\d+)\] \S+ \S+ \[ERR\] (?P<host>\S+):\d+ - mid:(?P<mid>\d+)(?: - (?P<id>{_QUOTED}))? - (?P<what>.*)$"
)


class Trespass(Enum):
    """What was tried. Each of them the server has refused already."""

    PUBLISH = auto()
    SUBSCRIBE = auto()
    SIGN_IN = auto()
    SIZE = auto()


_FORMS: Final = {
    Trespass.PUBLISH: re.compile(rf"Publish Violation - .*?Subject (?P<said>{_QUOTED})"),
    Trespass.SUBSCRIBE: re.compile(rf"Subscription Violation - .*?Subject (?P<said>{_QUOTED})"),
    Trespass.SIGN_IN: re.compile(rf"authentication error - .*?User (?P<said>{_QUOTED})"),
    Trespass.SIZE: re.compile(r"maximum payload exceeded: (?P<said>\d+) vs \d+"),
}


@dataclass(frozen=True, slots=True)
class Offence:
    """`said` is the topic in the broker's spelling, the user name, or the number of bytes; `client_id` is only claimed.

    `user` is the account that the log names, else the `connection` of this `process` tells it: see monitor.
    """

    trespass: Trespass
    address: str
    client_id: str
    said: str
    user: str = ""
    process: int = 0
    connection: int = 0


def offences(lines: Iterable[bytes]) -> Iterator[Offence]:
    """Those that the lines tell of; other lines are passed over."""
    for line in lines:
        found = _CLIENT.match(line.decode("utf-8", "replace"))
        if found is None:
            continue
        for trespass, form in _FORMS.items():
            told = form.match(found["what"])
            if told is not None:
                yield Offence(
                    trespass,
                    found["host"].strip("[]"),
                    _unquoted(found["id"] or ""),
                    _unquoted(told["said"]),
                    process=int(found["pid"]),
                    connection=int(found["mid"]),
                )
                break


def _unquoted(text: str) -> str:
    """Go's escapes are those of JSON, but for a few that stay as they are."""
    try:
        return str(json.loads(text)) if text.startswith('"') else text
    except ValueError:
        return text[1:-1]
