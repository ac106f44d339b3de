"""Bulletins as messages in their readers' words: short, with a link, without names of pupils or files."""

from collections.abc import Callable
from typing import Final

from markupsafe import Markup

from contract.model import CommandStatus
from controller.fleet.live import LiveFleet
from controller.identity.policy import Principal
from controller.jobs.states import JobState
from controller.jobs.work import Work, work_of
from controller.notifications.outlet import Message
from controller.notifications.tables import Bulletin
from controller.scheduling.booking_errors import NoSuchBooking
from controller.scheduling.noticeboard import NoticeView
from controller.scheduling.office import Office
from controller.scheduling.views import BookingView
from controller.scope import CLUSTER
from controller.web import command_words, job_words, notice_view
from controller.web.booking_reader import Reader, Years
from controller.web.i18n import Language, language
from controller.web.typography import tidy
from controller.web.views import words as said
from device_profiles.profile import DeviceProfile

_COMMANDS: Final = frozenset({"command-done", "command-failed"})
_JOBS: Final = frozenset({"job-done", "job-failed"})


class NewsWords:
    """Safe to use from any thread. `base` is the pages' address as phones reach it; empty: messages have no link."""

    def __init__(self, office: Office, live: LiveFleet, base: str, now_ms: Callable[[], int]) -> None:
        self._office = office
        self._live = live
        self._base = base.rstrip("/")
        self._now_ms = now_ms

    def __call__(self, bulletin: Bulletin, who: Principal) -> Message | None:
        """None if there is nothing to say: of a booking that the reader may not see, of a kind without words."""
        words = language(who.language)
        if bulletin.kind in _COMMANDS:
            return self._command(bulletin, words)
        if bulletin.kind in _JOBS:
            return self._job(bulletin, words)
        years = Years(self._office.year, self._office.zone)
        reader = Reader(words, years, who.school_id or "", self._now_ms())
        told = NoticeView(bulletin.id or 0, bulletin.at_ms, bulletin.kind, bulletin.subject, bulletin.detail)
        entry = notice_view.entry(told, lambda booking_id: self._booking(who, booking_id), reader)
        return None if entry is None else self._message(entry.title, entry.text, _page(bulletin), words)

    def test(self, words: Language) -> Message:
        """For somebody who tries a channel."""
        title = words.t("A test from Fabfleet")
        return self._message(title, words.t("This channel works."), "/my/notifications", words)

    def _command(self, bulletin: Bulletin, words: Language) -> Message:
        detail = bulletin.detail
        status = CommandStatus(detail["status"])
        why = command_words.reason(status, str(detail.get("detail", "")), words)
        title = words.t(
            "{machine}: command “{command}”: {state}",
            machine=self._machine(detail["device_id"], words),
            command=self._action(detail["device_id"], str(detail["action"]), words),
            state=command_words.status_word(status, words),
        )
        text = " ".join(str(part) for part in (why.text or why.quoted, why.advice) if part)
        return self._message(title, text, f"/devices/{detail['device_id']}", words)

    def _job(self, bulletin: Bulletin, words: Language) -> Message:
        device_id = bulletin.detail["device_id"]
        title = words.t(
            "{machine}: job {number}: {state}",
            machine=self._machine(device_id, words),
            number=bulletin.subject,
            state=job_words.state_word(JobState(bulletin.detail["state"]), self._work(device_id), words),
        )
        return self._message(title, "", f"/jobs/{bulletin.subject}", words)

    def _message(self, title: str, text: str, page: str, words: Language) -> Message:
        """Plain text: what is safe in HTML is made so for no reader of a message."""
        link = str(words.t("See {address}", address=self._base + page)) if self._base else ""
        lines = [_plain(line) for line in (text, link) if line]
        return Message(_plain(title), "\n".join(lines) or _plain(title))

    def _machine(self, device_id: int, words: Language) -> str:
        try:
            return tidy(self._live.device(CLUSTER, device_id).name)
        except KeyError:
            return str(words.t("a machine"))

    def _profile(self, device_id: int) -> DeviceProfile | None:
        try:
            return self._live.profile(CLUSTER, device_id)
        except KeyError:
            return None

    def _work(self, device_id: int) -> Work:
        return work_of(self._profile(device_id))

    def _action(self, device_id: int, action: str, words: Language) -> str:
        profile = self._profile(device_id)
        found = profile.actions.get(action) if profile is not None else None
        return action if found is None else str(said(found.label, words))

    def _booking(self, who: Principal, booking_id: str) -> BookingView | None:
        try:
            return self._office.find(who, booking_id)
        except NoSuchBooking:
            return None


def _page(bulletin: Bulletin) -> str:
    """Where the reader can do something about it."""
    if bulletin.kind == "booking-requested":
        return "/calendar"
    if bulletin.kind == "problem":
        return f"/c/{bulletin.subject}"
    return f"/devices/{bulletin.subject}" if bulletin.kind == "use-without-booking" else "/my"


def _plain(text: str) -> str:
    return text.unescape() if isinstance(text, Markup) else str(text)
