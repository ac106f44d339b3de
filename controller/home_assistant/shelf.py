"""What is retained at the broker for foreign programs, and what should be. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from controller.home_assistant.discovery import state_beside

_GONE: Final = b""
"""An empty message takes a retained one back."""


class Shelf:
    """The broker's own echo is what counts: so what was put there long ago, by another process, is found and removed.

    Values (`state_beside`) come and go with the topic that says whether the device is there.
    """

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def heard(self, topic: str, payload: bytes) -> None:
        """The broker says what lies at `topic`; nothing, if the payload is empty."""
        if payload:
            self._held[topic] = payload
        else:
            self._held.pop(topic, None)

    def forget(self) -> None:
        """Another connection, perhaps another broker: nothing is known of what lies there."""
        self._held.clear()

    def changes(self, wanted: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
        """The messages that make it so, each taken as said: what is too much first, then what is missing or old."""
        for topic in sorted(self._held.keys() - wanted.keys()):
            del self._held[topic]
            yield topic, _GONE
            if topic.endswith("/available"):
                yield state_beside(topic), _GONE
        for topic, payload in wanted.items():
            if self._held.get(topic) != payload:
                self._held[topic] = payload
                yield topic, payload
