"""The queue between the broker's thread and the writer's."""

import threading

from controller.ingest import inbox
from controller.ingest.inbox import Inbox
from controller.ingest.messages import Arrival


def arrival(number: int, size: int = 10) -> Arrival:
    return Arrival("t", b"x" * size, number)


def test_what_was_put_is_taken_in_order_and_in_portions() -> None:
    box = Inbox()
    for number in range(inbox.PORTION + 3):
        assert box.put(arrival(number))
    first, second = box.take(0, 0), box.take(0, 0)
    assert [each.received_ms for each in first + second] == list(range(inbox.PORTION + 3))
    assert len(first) == inbox.PORTION
    assert box.take(0, 0) == []


def test_a_portion_is_bounded_in_bytes() -> None:
    box = Inbox()
    for number in range(8):
        box.put(arrival(number, 500))
    assert len(box.take(0, 0, 1_000)) == 2


def test_a_full_inbox_sheds_reports_and_still_takes_what_nobody_sends_again() -> None:
    box = Inbox()
    for number in range(inbox.MAX_WAITING):
        assert box.put(arrival(number))
    assert not box.put(arrival(0))
    assert box.put(arrival(0), spare=True)
    box.take(0, 0)
    assert box.put(arrival(0))


def test_a_full_inbox_is_bounded_in_bytes() -> None:
    box = Inbox()
    half = inbox.MAX_WAITING_BYTES // 2
    assert box.put(arrival(0, half))
    assert box.put(arrival(1, half))
    assert not box.put(arrival(2))


def test_take_waits_for_the_first_and_gathers_what_follows() -> None:
    box = Inbox()
    taken: list[Arrival] = []
    thread = threading.Thread(target=lambda: taken.extend(box.take(30, 0.3)))
    thread.start()
    box.put(arrival(1))
    box.put(arrival(2))
    thread.join(10)
    assert [each.received_ms for each in taken] == [1, 2]


def test_what_has_waited_for_company_already_waits_no_more() -> None:
    now_s = 0.0
    box = Inbox(lambda: now_s)
    box.put(arrival(1))
    now_s = 7.0
    assert len(box.take(0, 5.0)) == 1


def test_a_closed_inbox_gives_what_it_has_and_waits_no_more() -> None:
    box = Inbox()
    box.put(arrival(1))
    box.close()
    states = [box.closed]
    assert len(box.take(30, 30)) == 1
    states.append(box.closed)
    assert states == [False, True]
    assert box.take(30, 30) == []
