"""What stands in a calendar file, read back by two programs of others: the library icalendar and Debian's khal."""

import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar

from controller.scheduling.feed import REFRESH, Event, Standing, calendar
from controller.scheduling.school_time import instant

HANOI, BERLIN = ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("Europe/Berlin")


def event(day: date, begins: str, ends: str, zone: ZoneInfo = HANOI, booking: str = "b1") -> Event:
    start_ms, end_ms = (instant(day, time.fromisoformat(clock), zone) for clock in (begins, ends))
    summary = "Máy in 3D A, bất kỳ; lớp 8A1"
    return Event(
        booking, start_ms, end_ms, Standing.CONFIRMED, summary, "FabLab, THCS An Phú", sequence=2, changed_ms=1_000
    )


LESSON = event(date(2026, 11, 25), "09:15", "10:50")


def read(content: bytes) -> list[icalendar.Event]:
    found = icalendar.Calendar.from_ical(content)
    assert not found.errors
    return found.events


class Khal:
    """Somebody's calendar on a computer that shows the time of a zone."""

    def __init__(self, folder: Path, zone: str) -> None:
        (folder / "calendar").mkdir(parents=True)
        self._folder = folder
        locale = ("timeformat = %H:%M", "dateformat = %Y-%m-%d", "longdateformat = %Y-%m-%d")
        (folder / "config").write_text(
            "\n".join(
                (
                    *("[calendars]", "[[fab]]", f"path = {folder}/calendar"),
                    *("[sqlite]", f"path = {folder}/khal.db", "[locale]"),
                    *(f"local_timezone = {zone}", f"default_timezone = {zone}", *locale),
                    *("datetimeformat = %Y-%m-%d %H:%M", "longdatetimeformat = %Y-%m-%d %H:%M"),
                )
            )
        )

    def shows(self, content: bytes) -> list[str]:
        """What it lists of a calendar that it has just read again: an event a line."""
        (self._folder / "feed.ics").write_bytes(content)
        self._run("import", "--batch", "-a", "fab", str(self._folder / "feed.ics"))
        form = "{uid} {start-long} {end-long} {title} @ {location}{status}"
        return [line.strip() for line in self._run("list", "--day-format", "", "-f", form, "2026-10-01", "120d")]

    def _run(self, *arguments: str) -> list[str]:
        command = ("khal", "-c", str(self._folder / "config"), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


def test_an_event_is_one_booking_at_instants_in_utc() -> None:
    (found,) = read(calendar("Lịch của tôi", [LESSON]))
    assert found["uid"] == "b1@fabfleet"
    assert found.start == datetime(2026, 11, 25, 2, 15, tzinfo=UTC)
    assert found.end == datetime(2026, 11, 25, 3, 50, tzinfo=UTC)
    assert (found["sequence"], found["status"]) == (2, "CONFIRMED")
    assert found.stamp == found.last_modified == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (found["summary"], found["location"]) == (LESSON.summary, LESSON.location)
    assert "rrule" not in found


def test_the_same_bookings_are_the_same_bytes_and_say_when_to_look_again() -> None:
    content = calendar("Lịch của tôi", [LESSON])
    assert content == calendar("Lịch của tôi", [LESSON])
    assert icalendar.Calendar.from_ical(content).refresh_interval == REFRESH
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in content
    assert max(len(line) for line in content.split(b"\r\n")) <= 75


def test_a_calendar_without_bookings_is_still_one() -> None:
    found = icalendar.Calendar.from_ical(calendar("Phòng An", []))
    assert (found.calendar_name, found.walk("VEVENT")) == ("Phòng An", [])


def test_khal_shows_what_is_booked_moved_asked_for_and_cancelled(tmp_path: Path) -> None:
    khal = Khal(tmp_path, "Asia/Ho_Chi_Minh")
    asked = replace(LESSON, booking_id="b2", standing=Standing.TENTATIVE)
    words = "Máy in 3D A, bất kỳ; lớp 8A1 @ FabLab, THCS An Phú"
    assert khal.shows(calendar("Lịch", [LESSON, asked])) == [
        f"b1@fabfleet 2026-11-25 09:15 2026-11-25 10:50 {words}CONFIRMED",
        f"b2@fabfleet 2026-11-25 09:15 2026-11-25 10:50 {words}TENTATIVE",
    ]
    moved = replace(event(date(2026, 11, 26), "13:15", "14:50"), sequence=3, changed_ms=2_000)
    gone = replace(asked, standing=Standing.CANCELLED, sequence=1, changed_ms=2_000)
    assert khal.shows(calendar("Lịch", [moved, gone])) == [
        f"b2@fabfleet 2026-11-25 09:15 2026-11-25 10:50 {words}CANCELLED",
        f"b1@fabfleet 2026-11-26 13:15 2026-11-26 14:50 {words}CONFIRMED",
    ]


def test_a_weekly_lesson_keeps_its_wall_clock_over_the_end_of_summer_time(tmp_path: Path) -> None:
    """In Berlin the clocks went back on 25/10/2026: the same lesson is an hour later in UTC."""
    before = event(date(2026, 10, 22), "08:00", "09:30", BERLIN)
    after = event(date(2026, 10, 29), "08:00", "09:30", BERLIN, booking="b2")
    content = calendar("Kalender", [before, after])
    assert [each.start for each in read(content)] == [
        datetime(2026, 10, 22, 6, tzinfo=UTC),
        datetime(2026, 10, 29, 7, tzinfo=UTC),
    ]
    shown = Khal(tmp_path / "there", "Europe/Berlin").shows(content)
    assert [line.split(" Máy")[0] for line in shown] == [
        "b1@fabfleet 2026-10-22 08:00 2026-10-22 09:30",
        "b2@fabfleet 2026-10-29 08:00 2026-10-29 09:30",
    ]
    abroad = Khal(tmp_path / "here", "Asia/Ho_Chi_Minh").shows(content)
    assert [line.split()[2] for line in abroad] == ["13:00", "14:00"]
