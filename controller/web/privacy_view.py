"""What the pages of personal data show, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.fleet.picture import SchoolRow
from controller.identity.policy import Role
from controller.identity.tables import User
from controller.web.frame import role_word
from controller.web.i18n import Language, number


@dataclass(frozen=True, slots=True)
class Kept:
    """How many rows of a kind there are."""

    what: str
    count: str


@dataclass(frozen=True, slots=True)
class PersonRow:
    id: str
    name: str
    login: str
    role: str
    school: str


def kept_lines(counts: Mapping[str, int], words: Language) -> Sequence[Kept]:
    """By table, of those that have any. A test holds this to the register."""
    named = kept_words(words)
    return [Kept(named[table], number(count, words.code)) for table, count in counts.items()]


def kept_words(words: Language) -> Mapping[str, str]:
    """What the rows of each table that names people are called."""
    return {
        "user_account": words.t("Account: login, name, role, school"),
        "user_session": words.t("Browsers that are signed in"),
        "sign_in_tries": words.t("Wrong tries to sign in"),
        "known_place": words.t("Places of earlier sign-ins"),
        "password_reset": words.t("Links to choose a password"),
        "oidc_link": words.t("Sign-ins by a provider"),
        "notification_delivery": words.t("Notifications sent"),
        "notification_channel": words.t("Ways to be notified"),
        "notification_choice": words.t("Choice of notifications"),
        "bulletin": words.t("News to be sent"),
        "api_token": words.t("Access tokens"),
        "enrol_token": words.t("Enrolment tokens made"),
        "audit_line": words.t("Lines of the audit log"),
        "booking": words.t("Bookings held, made or checked in"),
        "booking_supervisor": words.t("Bookings supervised"),
        "held_certificate": words.t("Certificates"),
        "lease_grant": words.t("Leases of machines"),
        "notice": words.t("Notices"),
        "calendar_feed": words.t("Calendar addresses"),
        "board_key": words.t("Boards opened"),
        "kit_handout": words.t("Kits taken out"),
        "kit_lack": words.t("Kits brought back damaged"),
        "desired_change": words.t("Changes of agents' settings"),
        "desired_device": words.t("Devices taken on"),
        "found_thing": words.t("Found devices adopted or set aside"),
        "command_trial": words.t("Commands tried at machines"),
        "webhook": words.t("Webhooks set up"),
        "webhook_event": words.t("Events told to webhooks"),
        "command": words.t("Commands given"),
        "print_job": words.t("Jobs"),
        "job_step": words.t("Steps of jobs"),
    }


def person_rows(people: Sequence[User], schools: Sequence[SchoolRow], words: Language) -> Sequence[PersonRow]:
    names = {each.id: each.name for each in schools}
    return [
        PersonRow(
            each.id,
            each.name,
            each.login,
            role_word(Role(each.role), words),
            names.get(each.school_id or "", "") or str(words.t("whole cluster")),
        )
        for each in people
    ]
