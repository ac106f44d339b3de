"""The queue of notifications on both databases: at least once, never twice at a time, given up with a reason."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlmodel import Session, select

from controller.config import NoticesConfig
from controller.identity.tables import User
from controller.notifications.bulletins import Word, enqueue
from controller.notifications.errors import NoSuchChannel, TooSoon
from controller.notifications.outlet import Message, Outlet
from controller.notifications.sender import CLAIM_MS, SAME_MS
from controller.notifications.tables import Bulletin, Channel
from controller.notifications.timing import CHANNEL_PACE, GIVE_UP_MS, LONGEST_MS, Quiet
from controller.notifications.topics import USUAL, Topic
from tests.integration.far_ends import HttpEnd, http_end
from tests.integration.mqtt import eventually
from tests.integration.notifying import DUC, HA, HERE, MINH, TRI, ZONE, Post, make_sender

pytestmark = pytest.mark.integration

DAY_MS = 86_400_000


@pytest.fixture
def end() -> Iterator[HttpEnd]:
    with http_end() as found:
        yield found


@pytest.fixture
def post(either_database: Engine, tmp_path: Path) -> Post:
    return Post(either_database, tmp_path)


def subjects(end: HttpEnd) -> list[str]:
    return [got.said["title"].split()[-1] for got in end.got]


def _hold(go: threading.Event) -> None:
    assert go.wait(60)


def use_up(post: Post, number: int) -> None:
    """As if every channel had just sent so many."""
    with post.engine.begin() as connection:
        connection.execute(update(Channel).values(paced_until_ms=post.clock() + number * CHANNEL_PACE.each_ms))


def test_news_is_sent_once_to_each_channel_of_its_reader_and_only_if_its_change_was_committed(
    post: Post, end: HttpEnd
) -> None:
    for path in ("a", "b"):
        post.channel(HA, f"{end.url}/{path}")
    post.channel(MINH, f"{end.url}/minh")
    post.say("one")
    with post.engine.connect() as connection:
        enqueue(connection, Word("booking-moved", "undone", HERE, HA.id), post.clock())
        connection.rollback()
    post.turn()
    post.turn()
    assert sorted(got.path for got in end.got) == ["/a", "/b"]
    assert set(subjects(end)) == {"one"}
    assert post.states() == [("sent", "sent", 1)] * 2


def test_the_same_news_within_ten_minutes_is_one_and_other_news_is_not(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    for start_ms in (1, 1, 2):
        post.say("one", detail={"start_ms": start_ms})
    post.turn()
    post.turn()
    assert len(end.got) == 2
    post.say("one", detail={"start_ms": 1})
    post.turn(SAME_MS + 1)
    assert len(end.got) == 3


def test_a_calendar_that_changes_around_a_term_of_bookings_is_one_piece_of_news(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    for number in range(3):
        post.say(f"b{number}", kind="calendar-changed", detail={"start_ms": number})
    post.turn()
    post.turn()
    assert subjects(end) == ["b0"]


def test_a_failure_is_tried_again_ever_later_and_the_queue_goes_on_meanwhile(post: Post, end: HttpEnd) -> None:
    end.script = [503, 500]
    post.channel(HA, end.url)
    post.say("one")
    post.turn()
    assert post.states() == [("waiting", "http-503", 1)]
    post.turn()
    assert len(end.got) == 1
    post.turn(30_000)
    assert post.states() == [("waiting", "http-500", 2)]
    post.turn(59_000)
    assert len(end.got) == 2
    post.turn(1_000)
    assert post.states() == [("sent", "sent", 3)]


def test_after_a_day_it_is_given_up_with_its_reason_and_an_administrator_has_it_tried_again(
    post: Post, end: HttpEnd
) -> None:
    end.script = [503] * 100
    channel = post.channel(HA, end.url)
    post.say("one")
    post.turn()
    for _ in range(4):
        post.turn(7 * LONGEST_MS)
    ((state, result, attempts),) = post.states()
    assert (state, result) == ("failed", "http-503")
    assert attempts == 4
    tried = len(end.got)
    post.turn(LONGEST_MS)
    assert len(end.got) == tried
    assert post.stored(channel).result == "http-503"
    health = post.settings.health(TRI)
    assert [each.result for each in health.trouble] == ["http-503"]
    assert post.settings.health(MINH).trouble == []
    assert post.settings.retry(MINH, None) == 0
    end.script = []
    assert post.settings.retry(TRI, health.trouble[0].id) == 1
    post.turn()
    assert post.states() == [("sent", "sent", 1)]


def test_what_a_killed_process_had_sent_but_not_noted_is_sent_once_more(post: Post, end: HttpEnd) -> None:
    """SIGKILL strikes while the far end has the message and the controller does not know yet: once more, not never."""
    post.channel(HA, end.url)
    post.say("one")
    url = post.engine.url.render_as_string(hide_password=False)
    command = (sys.executable, "-m", "tests.integration.notification_process", url, post.folder, post.clock())
    child = subprocess.Popen([str(part) for part in command])
    end.meanwhile = child.kill
    assert child.wait(60) == -signal.SIGKILL
    assert len(end.got) == 1
    assert post.states() == [("sending", "", 1)]
    end.meanwhile = lambda: None
    post.turn()
    assert len(end.got) == 1, "it may still be somebody's"
    post.turn(CLAIM_MS)
    assert subjects(end) == ["one", "one"]
    assert post.states() == [("sent", "sent", 2)]


def test_several_senders_make_one_attempt(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    post.say("one")
    with ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(post.another().turn) for _ in range(3)]:
            each.result()
    assert subjects(end) == ["one"]


def test_a_stopped_sender_leaves_what_was_under_way_for_the_next_start(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    post.say("one")
    end.meanwhile = post.outlet.close
    post.turn()
    assert post.states() == [("waiting", "", 0)]
    end.meanwhile = lambda: None
    fresh = Outlet(post.engine, post.seal, NoticesConfig(private_addresses=True), post.clock)
    make_sender(post.engine, fresh, post.seal, post.clock).turn()
    assert post.states() == [("sent", "sent", 1)]


def test_what_comes_through_while_a_stop_waits_is_not_sent_once_more(post: Post, end: HttpEnd) -> None:
    go = threading.Event()
    end.meanwhile = partial(_hold, go)
    post.channel(HA, end.url)
    post.say("one")
    post.sender.start()
    eventually(lambda: end.got, "an attempt")
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(post.sender.stop)
        wait([stopping], 0.5)
        go.set()
        stopping.result()
    fresh = Outlet(post.engine, post.seal, NoticesConfig(private_addresses=True), post.clock)
    post.clock.ms += CLAIM_MS
    make_sender(post.engine, fresh, post.seal, post.clock).turn()
    assert post.states() == [("sent", "sent", 1)]
    assert subjects(end) == ["one"]


def test_a_channel_gets_a_burst_and_then_one_a_minute(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    use_up(post, CHANNEL_PACE.burst - 2)
    for number in range(4):
        post.say(f"n{number}")
    for _ in range(4):
        post.turn()
    assert subjects(end) == ["n0", "n1"]
    post.turn(CHANNEL_PACE.each_ms)
    post.turn()
    assert subjects(end) == ["n0", "n1", "n2"]


def test_quiet_hours_hold_back_what_can_wait(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    post.settings.choose(HA, USUAL, Quiet(21 * 60, 6 * 60))
    evening = datetime(2027, 3, 1, 22, 0, tzinfo=ZONE)
    post.clock.ms = round(evening.timestamp() * 1000)
    tomorrow = round((evening + timedelta(hours=12)).timestamp() * 1000)
    post.say("waits", detail={"start_ms": tomorrow})
    post.say("urgent", detail={"start_ms": post.clock() + 3_600_000})
    post.turn()
    post.turn()
    assert subjects(end) == ["urgent"]
    post.turn(8 * 3_600_000 - 1)
    assert subjects(end) == ["urgent"]
    post.turn(1)
    assert subjects(end) == ["urgent", "waits"]


def test_a_reminder_is_of_no_use_after_the_booking_began(post: Post, end: HttpEnd) -> None:
    end.script = [503]
    post.channel(HA, end.url)
    post.say("one", kind="booking-reminder", detail={"start_ms": post.clock() + 60_000})
    post.turn()
    post.turn(60_000)
    assert post.states() == [("failed", "http-503", 1)]
    assert len(end.got) == 1


def test_people_hear_of_what_they_chose_and_look_after_and_not_of_their_own_doing(post: Post, end: HttpEnd) -> None:
    for who in (HA, DUC, MINH, TRI):
        post.channel(who, f"{end.url}/{who.login}")
    post.say("waits", None, "booking-requested", by_id=TRI.id)
    post.turn()
    assert [got.path for got in end.got] == ["/duc"]
    post.say("both", None, "booking-requested", school_ids=("an-phu", "binh-minh"))
    post.turn()
    assert sorted(got.path for got in end.got[1:]) == ["/duc", "/minh", "/tri"]
    post.settings.choose(HA, {Topic.MOVED}, None)
    post.say("off")
    post.say("on", kind="booking-moved")
    post.say("kind without words", kind="of-a-newer-release")
    post.turn()
    assert subjects(end)[4:] == ["on"]
    with Session(post.engine) as db:
        assert all(each.spread_ms is not None for each in db.exec(select(Bulletin)))


def test_who_left_and_channels_that_were_removed_get_nothing_and_their_secrets_are_gone(
    post: Post, end: HttpEnd
) -> None:
    end.script = [503, 503]
    channel = post.channel(HA, end.url)
    post.channel(DUC, end.url)
    with pytest.raises(NoSuchChannel):
        post.settings.remove(MINH, channel)
    post.say("one")
    post.say("one", DUC)
    post.turn()
    post.settings.remove(HA, channel)
    assert post.stored(channel).sealed == ""
    with post.engine.begin() as connection:
        connection.execute(update(User).where(User.id == DUC.id).values(disabled=True))  # type: ignore[arg-type]  # SQLModel's columns
    post.turn(LONGEST_MS)
    assert [each[:2] for each in post.states()] == [("dropped", "channel-removed")] * 2
    assert len(end.got) == 2
    with pytest.raises(NoSuchChannel):
        post.settings.test(HA, channel, Message("a", "b"))


def test_a_key_that_is_lost_is_told_and_nothing_is_tried_again(post: Post, end: HttpEnd) -> None:
    channel = post.channel(HA, f"{end.url}/secret-part")
    assert "secret-part" not in post.stored(channel).sealed
    key = post.folder / "notices.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    post.say("one")
    post.turn()
    assert post.states() == [("failed", "key-lost", 1)]
    assert post.settings.test(HA, channel, Message("a", "b")) == "key-lost"
    assert end.got == []


def test_what_there_is_nothing_to_say_of_is_dropped(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    post.say("nothing")
    post.turn()
    assert post.states() == [("dropped", "nothing-to-say", 1)]


def test_tests_are_told_and_limited(post: Post, end: HttpEnd) -> None:
    channel = post.channel(HA, end.url)
    end.script = [403]
    assert post.settings.test(HA, channel, Message("a", "b")) == "http-403"
    assert post.settings.test(HA, channel, Message("a", "b")) == "sent"
    assert [got.said["title"] for got in end.got] == ["a", "a"]
    use_up(post, CHANNEL_PACE.burst)
    with pytest.raises(TooSoon):
        post.settings.test(HA, channel, Message("a", "b"))


def test_results_are_kept_for_their_time(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    post.say("old")
    post.turn()
    post.turn(59 * DAY_MS)
    assert len(post.deliveries()) == 1
    post.say("young")
    post.turn()
    post.turn(2 * DAY_MS)
    assert subjects(end) == ["old", "young"]
    assert len(post.deliveries()) == 1
    with Session(post.engine) as db:
        assert [each.subject for each in db.exec(select(Bulletin))] == ["young"]


def test_what_could_not_be_tried_in_time_is_given_up(post: Post, end: HttpEnd) -> None:
    post.channel(HA, end.url)
    post.say("one", kind="booking-reminder", detail={"start_ms": post.clock() - 1})
    post.turn()
    assert post.states() == [("failed", "too-late", 0)]
    assert end.got == []
    assert GIVE_UP_MS == DAY_MS
