"""Who tries at the broker what is refused there: it is audited, and who does not stop is cut off or told on."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from contract.topics import Address
from controller.broker.access import address_of
from controller.broker.offences import Offence, Trespass
from controller.identity.refusals import Kind, Refusals
from controller.ingest.meter import Allowance, Meter

ALLOWANCE: Final = Allowance(messages_burst=300, messages_per_s=1.0)
"""Of an agent, or of an address that signs in wrongly. Ours do nothing of the kind; what guesses at topics or passwords
is over it within seconds."""
_ASKED: Final = 100
"""So many connections' owners are looked up at a time."""
_KINDS: Final = {
    Trespass.PUBLISH: Kind.TOPIC,
    Trespass.SUBSCRIBE: Kind.TOPIC,
    Trespass.SIGN_IN: Kind.BROKER,
    Trespass.SIZE: Kind.MESSAGE,
}
"""What each is called in the audit log."""


class Trespassers:
    """`look` now and then, in one thread.

    `who` tells the account behind an offence, empty if that is not known. `flooded` is told of an agent once, until it
    is forgiven: by its own account, never by what a client claims to be. A wrong sign-in proves nothing of whom it
    names, so a flood of those is told of the address it comes from, and costs nobody his credential.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Offence]],
        who: Callable[[Offence], str],
        refusals: Refusals,
        flooded: Callable[[Address], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._who = who
        self._refusals = refusals
        self._flooded = flooded
        self._meter = Meter(ALLOWANCE, clock)
        self._lock = threading.Lock()

    def look(self) -> None:
        """All that was refused since the last time."""
        asked: dict[tuple[str, str, int], str] = {}
        for offence in self._read():
            detail = f"{ascii(offence.said)[1:-1]}; calls itself {ascii(offence.client_id)[1:-1]}"
            self._refusals.tell(_KINDS[offence.trespass], offence.address, detail=detail)
            if offence.trespass is Trespass.SIGN_IN:
                self._count_address(offence.address, detail)
                continue
            key = (offence.user, str(offence.process), offence.connection)
            if key not in asked and len(asked) < _ASKED:
                asked[key] = self._who(offence)
            agent = address_of(asked.get(key, ""))
            if agent is not None and self._is_flood(str(agent)):
                self._flooded(agent)

    def forgive(self, address: Address) -> None:
        """Begin anew with an agent. From any thread."""
        with self._lock:
            self._meter.forgive(str(address))

    def _is_flood(self, name: str) -> bool:
        with self._lock:
            return not self._meter.over(name) and self._meter.count(name, 0)

    def _count_address(self, address: str, detail: str) -> None:
        if self._is_flood(address):
            self._refusals.tell(Kind.FLOOD, address, detail=detail)
            with self._lock:
                self._meter.forgive(address)  # one that goes on is told again
