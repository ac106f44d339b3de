"""What mosquitto's log says of clients that tried what they may not. Pure: lines in, offences out.

It names clients by their id, which is their account (`use_username_as_clientid`). It says that a subscription came, not
that it will hear nothing: that is known by what the account may hear. It takes no text with line ends in it, so no
client can write a line of its own. The words are those of mosquitto 2.0 with `log_type debug` and `subscribe`.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from controller.broker.access import address_of, agent_permissions
from controller.broker.offences import Offence, Trespass

_MOST: Final = 10_000
"""Accounts whose address is remembered."""
_STAMP: Final = r"^(?:\d+: |\d{4}-\S+: )?"
_CAME: Final = re.compile(_STAMP + r"New client connected from (?P<host>\S+):\d+ as (?P<user>\S+) \(")
_DENIED: Final = re.compile(
    _STAMP + r"Denied PUBLISH from (?P<user>\S+) \(d\d, q\d, r\d, m\d+, '(?P<said>.*)', \.\.\. \("
)
_LARGE: Final = re.compile(_STAMP + r"Dropped too large PUBLISH from (?P<user>\S+) \(.* \((?P<said>\d+) bytes\)\)$")
_HEARS: Final = re.compile(_STAMP + r"(?P<user>[^\s:]+) [012] (?P<said>\S.*)$")
_NOT_IN: Final = re.compile(_STAMP + r"Sending CONNACK to (?P<host>\S+) \(\d, [45]\)$")


class MosquittoLog:
    """Remembers where each account came from, for that is told once."""

    def __init__(self) -> None:
        self._hosts: dict[str, str] = {}

    def offences(self, lines: Iterable[bytes]) -> Iterator[Offence]:
        """Those that the lines tell of; other lines are passed over."""
        for line in lines:
            text = line.decode("utf-8", "replace")
            came = _CAME.match(text)
            if came:
                self._remember(came["user"], came["host"])
                continue
            offence = self._offence(text)
            if offence is not None:
                yield offence

    def _offence(self, text: str) -> Offence | None:
        for trespass, form in ((Trespass.PUBLISH, _DENIED), (Trespass.SIZE, _LARGE)):
            told = form.match(text)
            if told:
                return self._by(trespass, told["user"], told["said"])
        told = _NOT_IN.match(text)
        if told:
            return Offence(Trespass.SIGN_IN, told["host"], "", "")
        told = _HEARS.match(text)
        if told:
            agent = address_of(told["user"])
            if agent is not None and told["said"] not in agent_permissions(agent).subscribe:
                return self._by(Trespass.SUBSCRIBE, told["user"], told["said"])
        return None

    def _by(self, trespass: Trespass, user: str, said: str) -> Offence:
        return Offence(trespass, self._hosts.get(user, ""), user, said, user=user)

    def _remember(self, user: str, host: str) -> None:
        if len(self._hosts) >= _MOST:
            self._hosts.clear()
        self._hosts[user] = host
