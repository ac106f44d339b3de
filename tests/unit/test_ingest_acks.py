"""What an agent is told after a commit, in messages that keep the contract's bounds."""

from contract.messages import MAX_RANGES, Ack, Refusal, encode
from contract.topics import Address
from contract.wire import decode
from controller.ingest.acks import Acks, Complete
from controller.ingest.codec import encode_ack

ME = Address("alpha", "room-1")
EPOCH = "0123456789abcdef"


def test_batches_of_one_epoch_are_acknowledged_together() -> None:
    acks = Acks()
    for number in (1, 2, 3, 5):
        acks.commit(ME, EPOCH, number, number)
    acks.refuse(ME, EPOCH, 4, "contract")
    [(address, ack)] = acks.drain(3, 1000)
    assert address == ME
    assert ack == Ack(3, 1000, EPOCH, ((1, 3), (5, 5)), (Refusal(4, "contract"),))
    assert list(acks.drain(3, 1000)) == []


def test_many_holes_take_several_messages() -> None:
    acks = Acks()
    for number in range(1, 5 * MAX_RANGES, 2):
        acks.commit(ME, EPOCH, number, number)
    told = [ack for _, ack in acks.drain(1, 1)]
    assert len(told) == 3
    assert sum(len(ack.committed) for ack in told) == len(range(1, 5 * MAX_RANGES, 2))


def test_a_complete_state_with_too_many_holes_does_not_claim_to_be_complete() -> None:
    acks = Acks()
    holes = tuple((number, number) for number in range(1, 3 * MAX_RANGES, 2))
    acks.complete(ME, EPOCH, Complete(holes, ()))
    assert [ack.complete for _, ack in acks.drain(1, 1)] == [False, False]
    acks.complete(ME, EPOCH, Complete((), ()))
    assert [(ack.complete, ack.committed) for _, ack in acks.drain(1, 1)] == [(True, ())]


def test_an_ack_is_encoded_as_the_contract_does() -> None:
    ack = Ack(1, 2, EPOCH, ((1, 3),), (Refusal(4, "digest"),), complete=True)
    assert decode(Ack, encode_ack(ack)) == decode(Ack, encode(ack)) == ack
