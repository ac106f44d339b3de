"""Every column of every table, and what of it is about people. docs/privacy.md is written from this. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    PLAIN = "plain"
    """Tells nothing of a person."""
    PERSON = "person"
    """An opaque id. Only the account says whose it is."""
    DATUM = "datum"
    """Tells something of the person whose row it is."""
    WORDS = "words"
    """What somebody wrote; it may tell of people."""
    SECRET = "secret"  # noqa: S105 - a word, not one
    """A hash or key that proves who somebody is. Never exported."""


class Erasure(StrEnum):
    """What happens to the rows of a person who is erased."""

    KEEP = "kept: the id in it leads to nobody any more"
    BLANK = "kept without what is told or written in it"
    REMOVE = "removed"


@dataclass(frozen=True, slots=True)
class Holding:
    """A table. `owner` is the column with the id of the person whose row it is, empty if no row is anybody's.

    `purpose`, `kept` and `seen_by` are empty where nothing is about people.
    """

    table: str
    columns: Mapping[str, Kind]
    owner: str = ""
    erasure: Erasure = Erasure.KEEP
    purpose: str = ""
    kept: str = ""
    seen_by: str = ""

    @property
    def personal(self) -> bool:
        return any(kind is not Kind.PLAIN for kind in self.columns.values())

    def of(self, *kinds: Kind) -> tuple[str, ...]:
        """The columns of these kinds."""
        return tuple(name for name, kind in self.columns.items() if kind in kinds)


@dataclass(frozen=True, slots=True)
class File:
    """Something kept outside of the tables."""

    name: str
    holds: str
    kept: str
    seen_by: str


def _about(
    table: str,
    *,
    owner: str = "",
    erasure: Erasure = Erasure.KEEP,
    purpose: str,
    kept: str,
    seen_by: str,
    **columns: str,
) -> Holding:
    return Holding(table, _kinds(columns), owner, erasure, purpose, kept, seen_by)


def _plain(table: str, columns: str) -> Holding:
    return Holding(table, dict.fromkeys(columns.split(), Kind.PLAIN))


def _kinds(columns: Mapping[str, str]) -> Mapping[str, Kind]:
    return {name: Kind(kind) for kind, names in columns.items() for name in names.split()}


_OWN_AND_SCHOOL: Final = "the person; coordinators, technicians and administrators of the school and of the cluster"
_ADMINISTRATORS: Final = "administrators, in their scope"

_PEOPLE: Final = (
    _about(
        "user_account",
        owner="id",
        erasure=Erasure.BLANK,
        person="id",
        datum="login name role school_id language disabled created_ms",
        secret="password_hash",  # noqa: S106
        plain="erased_ms waiting",
        purpose="to let somebody in, and to say whose a booking is",
        kept="until the person is erased",
        seen_by="the name: whoever sees a booking of the person's; all else: " + _ADMINISTRATORS,
    ),
    _about(
        "user_session",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id",
        datum="shared_machine created_ms seen_ms expires_ms address client provider",
        secret="token_hash",  # noqa: S106
        purpose="to know a browser that signed in, and to let the person end what is not theirs",
        kept="12 hours after its last use, 30 minutes on a shared machine",
        seen_by="the person; " + _ADMINISTRATORS,
    ),
    _about(
        "sign_in_tries",
        owner="subject",
        erasure=Erasure.REMOVE,
        person="subject",
        datum="count since_ms last_ms",
        secret="key",  # noqa: S106
        purpose="to make whoever guesses passwords wait",
        kept="until the next right password, or two hours after the last try",
        seen_by="that there is a wait: " + _ADMINISTRATORS,
    ),
    _about(
        "known_place",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id",
        datum="seen_ms",
        secret="place",  # noqa: S106
        purpose="to let the person in where they usually sign in while others elsewhere guess",
        kept="90 days after they last signed in there",
        seen_by="nobody",
    ),
    _about(
        "password_reset",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id created_by",
        datum="expires_ms",
        secret="token_hash",  # noqa: S106
        purpose="to let the person choose a password",
        kept="until it is used; it is good for 24 hours",
        seen_by="nobody",
    ),
    _about(
        "oidc_link",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id",
        datum="issuer subject email created_ms",
        purpose="to know who it is that a provider of sign-ins vouches for",
        kept="until it is taken back",
        seen_by="the person; " + _ADMINISTRATORS,
    ),
    _about(
        "api_token",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="id user_id created_by",
        datum="created_ms expires_ms revoked permissions read_only used_ms",
        words="name",
        secret="token_hash",  # noqa: S106
        purpose="to let a program act for an account",
        kept="until the person is erased",
        seen_by="the person; " + _ADMINISTRATORS,
    ),
    _about(
        "enrol_token",
        person="created_by",
        plain="id school_id room uses uses_left agent created_ms expires_ms ended",
        secret="token_hash",  # noqa: S106
        purpose="to know who may add agents",
        kept="as long as the installation: images carry it, and known computers come back with it",
        seen_by="nobody",
    ),
    _about(
        "audit_line",
        person="actor subject",
        datum="at_ms action address",
        words="detail",
        plain="id school_id",
        purpose="to prove what was done, and to find misuse",
        kept="as long as the installation: a line that went would break the chain",
        seen_by=_ADMINISTRATORS,
    ),
    _plain("audit_segment", "number from_id to_id count lines_hash before seal prints sealed_ms"),
)
_NOTIFICATIONS: Final = (
    _about(
        "notification_delivery",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id",
        datum="state attempts result",
        plain="id bulletin_id channel_id school_id key created_ms due_ms expires_ms claimed_until_ms ended_ms",
        purpose="to bring news to people, once",
        kept="`notices.keep_days` after it ended (60)",
        seen_by="the person; what failed: " + _ADMINISTRATORS,
    ),
    _about(
        "notification_channel",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id",
        datum="kind hint created_ms removed_ms tried_ms result",
        plain="id paced_until_ms",
        secret="sealed",  # noqa: S106
        purpose="to know where somebody wants to be told: what they filled in, encrypted",
        kept="until the person removes it; then blank, with what was sent by it",
        seen_by="the person; the service that they named",
    ),
    _about(
        "notification_choice",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id",
        datum="topics quiet_from_min quiet_until_min changed_ms",
        purpose="to tell people what they want to hear, and not at night",
        kept="until the person is erased",
        seen_by="the person",
    ),
    _about(
        "bulletin",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id by_id",
        words="detail",
        plain="id school_id at_ms kind subject school_ids key spread_ms",
        purpose="news that is to be sent, as in a notice",
        kept="`notices.keep_days` (60); a name that stands in another's is blanked when its person is erased",
        seen_by="the person, or those who look after the school, if they asked to be told",
    ),
    _plain("zalo_tokens", "account sealed until_ms"),
    _plain("home_assistant", "school_id switched_on language made_ms changed_ms password_hash mosquitto_hash"),
    _about(
        "webhook",
        person="by_id",
        secret="sealed",  # noqa: S106
        plain="id school_id hint kinds created_ms removed_ms paced_until_ms tried_ms result",
        purpose="to tell a program of the school's own what happens there, and to know who had it told",
        kept="until it is removed; then without its address and secret",
        seen_by="technicians and administrators of the school and of the cluster, without address and secret",
    ),
    _about(
        "webhook_event",
        person="person_id",
        datum="data",
        plain="id uid school_id kind at_ms",
        purpose="what such programs are told: of people an opaque id at the most, whose booking or command it is",
        kept="`notices.keep_days` (60)",
        seen_by="the receivers that the school has named",
    ),
    _plain(
        "webhook_delivery",
        "id event_id webhook_id school_id state created_ms due_ms expires_ms claimed_until_ms attempts result ended_ms",
    ),
    _plain("webhook_watch", "school_id key value at_ms"),
)
_BOOKINGS: Final = (
    _about(
        "booking",
        owner="holder",
        erasure=Erasure.BLANK,
        person="holder by_id checked_in_by request_key",
        words="title purpose",
        plain="id school_id kind state head_count start_ms end_ms wanted series_id sequence created_ms changed_ms"
        " hold_until_ms checked_in_ms ended_ms",
        purpose="to share machines and rooms, and to count their use",
        kept="as long as the installation; without name after erasure, as statistics. What is yet to come is cancelled",
        seen_by=_OWN_AND_SCHOOL + "; others of the school see name and title, other schools that it is taken",
    ),
    _about(
        "booking_supervisor",
        owner="user_id",
        person="user_id",
        plain="booking_id",
        datum="present_ms",
        purpose="to know which adult stands by a dangerous machine",
        kept="with its booking",
        seen_by=_OWN_AND_SCHOOL,
    ),
    _about(
        "held_certificate",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id by_id",
        datum="name issued_ms until_ms",
        plain="id school_id",
        purpose="to let a machine be used by who may",
        kept="until it is taken back",
        seen_by=_OWN_AND_SCHOOL,
    ),
    _about(
        "lease_grant",
        owner="holder",
        person="holder",
        plain="id school_id agent_id device_id booking booking_id from_ms until_ms hazard supervised revoked_ms"
        " book_number",
        purpose="to let the machine itself know who may use it",
        kept="as long as the installation: they prove that nothing was given twice",
        seen_by="nobody; the machine's agent has the id",
    ),
    _about(
        "notice",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id",
        words="detail",
        plain="id school_id at_ms kind subject seen_ms",
        purpose="to tell people what happened to their bookings and machines",
        kept="until the person is erased; a name that stands in another's notice is blanked then",
        seen_by="the person; those without one: technicians of the school",
    ),
    _about(
        "calendar_feed",
        owner="user_id",
        erasure=Erasure.REMOVE,
        person="user_id",
        datum="created_ms read_ms revoked_ms room_id",
        plain="id school_id",
        secret="secret_hash",  # noqa: S106
        purpose="to show bookings in a calendar of the person's own",
        kept="until the person is erased",
        seen_by="the person",
    ),
    _about(
        "board_key",
        person="by_id",
        plain="room_id school_id made_ms",
        secret="secret_hash",  # noqa: S106
        purpose="to know who opened the board of a room",
        kept="until it is taken back",
        seen_by="nobody",
    ),
    _plain(
        "resource",
        "id school_id room_id device_id kind class_name name code capacity setup_min clean_up_min charge_min watts"
        " circuit_id hazard certificate shared approval retired",
    ),
    _plain("assignment", "booking_id resource_id quantity from_ms until_ms"),
    _plain("claim", "resource_id tick booking_id"),
    _plain("load", "resource_id tick used capacity"),
    _plain("opening_time", "id school_id room_id weekday opens closes"),
    _plain("closure", "id school_id room_id name first last"),
    _plain(
        "booking_limits",
        "school_id notice_days furthest_days shortest_min longest_min person_week school_week pupils_per_adult soon_h"
        " no_show_min request_h",
    ),
    _plain("kit_part", "id school_id resource_id name count"),
    _about(
        "kit_handout",
        owner="by_id",
        person="by_id returned_by",
        plain="id school_id resource_id booking_id kits at_ms returned_ms",
        purpose="to know who has the kits of a class, and that they came back",
        kept="as long as the booking",
        seen_by="who books at the school; who: " + _OWN_AND_SCHOOL,
    ),
    _about(
        "kit_lack",
        owner="by_id",
        person="by_id mended_by",
        plain="id school_id resource_id handout_id part state kits at_ms mended_ms",
        purpose="to know what is missing until it is mended",
        kept="as long as the kits",
        seen_by="who books at the school; who: " + _OWN_AND_SCHOOL,
    ),
    _plain("desired_setting", "place key school_id value"),
    _about(
        "desired_change",
        owner="by_id",
        person="by_id",
        plain="id place school_id at_ms settings back_to",
        purpose="to know who changed the settings of agents, and to set them back",
        kept="as long as the installation",
        seen_by="who changes the settings of agents; who: " + _OWN_AND_SCHOOL,
    ),
    _about(
        "desired_device",
        owner="by_id",
        person="by_id",
        plain="agent_id slug school_id profile_slug endpoint name room options at_ms",
        purpose="to know who took on a device",
        kept="as long as the device is looked after",
        seen_by="who changes the settings of agents; who: " + _OWN_AND_SCHOOL,
    ),
    _about(
        "found_thing",
        owner="by_id",
        person="by_id",
        plain="id school_id agent_id key name identity clues candidates first_ms seen_ms gone_ms state slug reason"
        " decided_ms",
        purpose="to know who took on a device or set it aside, and why",
        kept="as long as the agent sees the device",
        seen_by="who adds agents; who: " + _OWN_AND_SCHOOL,
    ),
    _about(
        "command_trial",
        owner="by_id",
        person="by_id confirmed_by",
        plain="device_id profile_digest action school_id command_id at_ms worked confirmed_ms",
        purpose="to know who tried a command at a machine and said that it does what it should",
        kept="as long as the device",
        seen_by="who: " + _OWN_AND_SCHOOL,
    ),
    _plain("agent_config", "agent_id school_id number digest wanted_ms"),
    _plain(
        "said_config",
        "agent_id school_id generation number digest on_trial rejected_generation rejected_number how reason",
    ),
    _plain("use_span", "id school_id device_id from_ms until_ms booking_id"),
)
_MACHINES: Final = (
    _about(
        "command",
        owner="by_id",
        person="by_id request_key",
        plain="id school_id agent_id device_id action args asked_ms expires_ms status status_ms detail told sent_ms"
        " sends needs_book",
        purpose="to carry out what was asked of a machine, once",
        kept="`commands.keep_days` after it was over (400); the audit log keeps who asked for what",
        seen_by="who may see the machine sees what was asked; who asked: " + _ADMINISTRATORS,
    ),
    _plain("command_step", "command_id status at_ms received_ms detail"),
    _about(
        "print_job",
        owner="by_id",
        erasure=Erasure.BLANK,
        person="by_id released_by",
        words="file_name title group_name detail",
        plain="id school_id device_id digest created_ms state state_ms review preview command_id stop_id started_ms"
        " ended_ms",
        purpose="to print a file for a group",
        kept="`jobs.keep_days` after it ended (60)",
        seen_by="who may see the machine",
    ),
    _about(
        "job_step",
        owner="by_id",
        erasure=Erasure.BLANK,
        person="by_id",
        words="detail",
        plain="id job_id at_ms kind",
        purpose="to tell what became of a print job",
        kept="with its print job",
        seen_by="who may see the machine",
    ),
    _plain("job_file", "digest size created_ms"),
    _plain("school", "id name short"),
    _plain("room", "id school_id slug name"),
    _plain(
        "agent",
        "id school_id name room_id password_hash lease_key revoked presence connection epoch version boot clock_certain"
        " clock_offset_ms since_ms heard_ms inventory_epoch inventory_number book_number held_generation held_number"
        " mosquitto_hash login_number wanted_number trusted flooded_ms instance machine doubled resets",
    ),
    _plain("renewal", "agent_id school_id number password_hash mosquitto_hash lease_key trusted at_ms"),
    _plain(
        "arrival",
        "id school_id token_id instance machine name address why stand agent_id came_ms seen_ms",
    ),
    _plain("twin", "id school_id agent_id epoch instance machine boot seen_ms becomes_id"),
    _plain("asset", "id school_id serial mac name room kind"),
    _plain("command_rule", "role family action allowed"),
    _plain("declared_profile", "agent_id digest slug name metrics"),
    _plain(
        "device",
        "id school_id agent_id room_id slug name profile_slug profile_digest identity bridge_state bridge_since_ms"
        " detail present",
    ),
    _plain("series", "id school_id device_id metric unit kind"),
    _plain("latest", "series_id at_ms number text received_ms"),
)
_INGEST: Final = (
    _plain("installation", "id generation writer salt"),
    _plain(
        "ledger",
        "id school_id agent_id epoch floor ranges produced accepted quarantined rejected given_up conflicts heard_ms",
    ),
    _plain(
        "batch",
        "id ledger_id first number digest received_ms produced accepted quarantined rejected given_up row_count"
        " checksum from_ms to_ms refused",
    ),
    _plain("declared_gap", "id school_id agent_id batch_id from_ms to_ms count reason"),
    _plain("event", "id school_id agent_id batch_id device kind at_ms received_ms detail"),
    _plain("outcome", "id school_id agent_id batch_id command_id status at_ms received_ms detail known"),
    _plain("quarantine", "id school_id agent_id topic reason detail item_count size content received_ms"),
)
_HISTORY: Final = (
    _plain("rollup_cursor", "id batch_id"),
    _plain("history_period", "tier period batch_id size dropped_ms"),
    _plain(
        "archived_part",
        "day part after_batch upto_batch row_count checksum size made_ms file after_series upto_series",
    ),
    _plain("stray_file", "day file upto_series noted_ms"),
)
_TIMETABLE: Final = (
    _plain("school_year", "id school_id name"),
    _plain("term", "id school_id year_id name first last opens_with"),
    _plain("holiday", "id school_id year_id name first last"),
    _plain("make_up_day", "id school_id year_id day as_weekday"),
    _plain("bell_schedule", "id school_id year_id name weekdays first last"),
    _plain("bell_period", "bell_id half number school_id begins ends"),
)
REGISTER: Final[Mapping[str, Holding]] = {
    each.table: each
    for part in (_PEOPLE, _NOTIFICATIONS, _BOOKINGS, _MACHINES, _INGEST, _HISTORY, _TIMETABLE)
    for each in part
}
FILES: Final = (
    File(
        "`controller/files`",
        "files of print jobs, as they were sent; whatever their makers wrote into them",
        "as long as a print job names them",
        "who may see the machine; its agent",
    ),
    File(
        "day tables (`reading_...`)",
        "what machines measured; nothing of people",
        "as the retention of telemetry says",
        "who may see the machine",
    ),
    File(
        "`controller/bookings.journal`",
        "bookings as they were made: titles, and holders by opaque id; a title stays after an erasure",
        "180 days",
        "who runs the server",
    ),
    File(
        "backups",
        "everything in the tables at that time, also of people who were erased since: erase them again after a restore",
        "as long as whoever made them keeps them",
        "who runs the server",
    ),
    File(
        "the server's log",
        "no names and no addresses of browsers; opaque ids of who was refused a page",
        "as the system's journal says",
        "who runs the server",
    ),
    File(
        "an agent's lease book",
        "opaque ids of who may use its machines when",
        "72 hours ahead; replaced with each change",
        "who administers the classroom PC",
    ),
    File(
        "cookies",
        "a random secret of the session, and the language",
        "12 hours; the language a year",
        "the browser",
    ),
    File(
        "an imported table",
        "lessons and machines until they are confirmed; teachers by login",
        "removed an hour after it came, when the next one comes",
        "who uploaded it",
    ),
)
