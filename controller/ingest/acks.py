"""The acknowledgements of one transaction, published after its commit."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from contract.messages import MAX_RANGES, Ack, Refusal
from contract.topics import Address
from controller.ingest.numbers import Numbers, Range


@dataclass(slots=True)
class _Answer:
    committed: Numbers = field(default_factory=Numbers)
    refused: dict[int, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Complete:
    """Everything the controller has of an epoch."""

    committed: tuple[Range, ...]
    refused: tuple[Refusal, ...]


class Acks:
    """Collects per agent and epoch; `drain` gives the messages and begins anew."""

    def __init__(self) -> None:
        self._answers: dict[tuple[Address, str], _Answer] = {}
        self._complete: dict[tuple[Address, str], Complete] = {}

    def commit(self, address: Address, epoch: str, first: int, number: int) -> None:
        self._of(address, epoch).committed.add(first, number)

    def refuse(self, address: Address, epoch: str, number: int, reason: str) -> None:
        self._of(address, epoch).refused[number] = Refusal(number, reason)

    def complete(self, address: Address, epoch: str, state: Complete) -> None:
        self._complete[address, epoch] = state

    def clear(self) -> None:
        self._answers.clear()
        self._complete.clear()

    def drain(self, generation: int, at_ms: int) -> Iterator[tuple[Address, Ack]]:
        for (address, epoch), answer in self._answers.items():
            for committed, refused in _portions(tuple(answer.committed), tuple(answer.refused.values())):
                yield address, Ack(generation, at_ms, epoch, committed, refused)
        for (address, epoch), state in self._complete.items():
            # Too many holes for one message: then nothing can be said of what is missing, only of what is there.
            complete = len(state.committed) <= MAX_RANGES
            for committed, refused in _portions(state.committed, state.refused[:MAX_RANGES]):
                yield address, Ack(generation, at_ms, epoch, committed, refused, complete=complete)
        self.clear()

    def _of(self, address: Address, epoch: str) -> _Answer:
        return self._answers.setdefault((address, epoch), _Answer())


def _portions(
    committed: tuple[Range, ...], refused: tuple[Refusal, ...]
) -> Iterator[tuple[tuple[Range, ...], tuple[Refusal, ...]]]:
    """Both in pieces that fit into one Ack; one piece at least."""
    for begin in range(0, max(len(committed), len(refused), 1), MAX_RANGES):
        yield committed[begin : begin + MAX_RANGES], refused[begin : begin + MAX_RANGES]
