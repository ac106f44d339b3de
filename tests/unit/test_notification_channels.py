"""What can be filled in for each kind of channel, what is refused, and that every address is one that Apprise takes."""

import subprocess
import sys
from collections.abc import Mapping

import apprise
import pytest
from hypothesis import given
from hypothesis import strategies as some

from controller.notifications.channels import (
    PARTS,
    ChannelKind,
    Installation,
    Mail,
    address,
    filled,
    hint,
    parts,
)
from controller.notifications.errors import WrongField
from controller.notifications.reachable import is_public
from controller.notifications.readers import may_hear
from controller.notifications.states import DeliveryState, Result
from controller.notifications.topics import TOPIC_OF, Topic
from controller.web import notice_view, notification_words
from controller.web.i18n import LANGUAGES, language
from tests.integration.office import TEACHER, TECHNICIAN

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""Apprise loads it where there is one."""

BARE = Installation()
OURS = Mail("smtp.example.vn", 465, "tls", "fab@example.vn", "p/a:s@s?", "fab@example.vn")
BOT = "123456789:abcdefghijklmnopqrstuvwxyz123456789"
TEAMS = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/paths"
    "/invoke?api-version=2016-06-01&sp=%2F&sv=1.0&sig=KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A"
)
GOOGLE = "https://chat.googleapis.com/v1/spaces/AAAA1/messages?key=AIza-x_1&token=tOk%3D-1"
MAIL = {"to": "ha@example.vn", "host": "mail.example.vn", "port": "", "security": "tls", "user": "ha@example.vn"}
GOOD: Mapping[ChannelKind, Mapping[str, str]] = {
    ChannelKind.ZALO_OA: {"user_id": "84", "app_id": "7", "secret_key": "s", "refresh_token": "r"},
    ChannelKind.ZALO_BOT: {"chat_id": "abc.1", "token": BOT},
    ChannelKind.EMAIL: {**MAIL, "password": "p/a:s@s?", "sender": ""},
    ChannelKind.TELEGRAM: {"chat_id": "-1004711", "token": BOT},
    ChannelKind.TEAMS: {"url": TEAMS},
    ChannelKind.GOOGLE_CHAT: {"url": GOOGLE},
    ChannelKind.WEBHOOK: {"url": "https://hook.example.vn/a?b=c"},
}


@pytest.mark.parametrize("kind", ChannelKind)
def test_every_kind_comes_to_an_address_that_apprise_takes(kind: ChannelKind) -> None:
    kept = filled(kind, {name: f" {text} " for name, text in GOOD[kind].items()}, BARE)
    assert kept == {**GOOD[kind]}
    found = address(kind, kept, BARE)
    if kind is ChannelKind.ZALO_OA:
        assert found == ""
    else:
        assert apprise.Apprise().add(found), kind


@pytest.mark.parametrize("kind", ChannelKind)
def test_what_a_channel_is_known_by_has_no_secret_in_it(kind: ChannelKind) -> None:
    kept = filled(kind, GOOD[kind], BARE)
    shown = hint(kind, kept)
    secrets = [kept[part.name] for part in PARTS[kind] if part.secret]
    assert shown
    assert not any(each in shown for each in secrets if len(each) > 1)
    assert "sig" not in shown


def test_an_account_of_ones_own_is_asked_for_only_where_there_is_none_for_everybody() -> None:
    given = Installation(mail=OURS, zalo=True)
    assert [part.name for part in parts(ChannelKind.EMAIL, given)] == ["to"]
    assert [part.name for part in parts(ChannelKind.ZALO_OA, given)] == ["user_id"]
    assert "host" in [part.name for part in parts(ChannelKind.EMAIL, BARE)]
    kept = filled(ChannelKind.EMAIL, {"to": "ha@example.vn", "host": "10.0.0.1"}, given)
    assert kept == {"to": "ha@example.vn"}
    assert apprise.Apprise().add(address(ChannelKind.EMAIL, kept, given))


@pytest.mark.parametrize(
    ("kind", "field", "text", "code"),
    [
        (ChannelKind.WEBHOOK, "url", "", "empty"),
        (ChannelKind.WEBHOOK, "url", "ftp://hook.example.vn/", "scheme"),
        (ChannelKind.WEBHOOK, "url", "file:///etc/passwd", "scheme"),
        (ChannelKind.WEBHOOK, "url", "http://127.0.0.1:8080/", "private"),
        (ChannelKind.WEBHOOK, "url", "http://LOCALHOST/", "private"),
        (ChannelKind.WEBHOOK, "url", "http://169.254.169.254/latest", "private"),
        (ChannelKind.WEBHOOK, "url", "http://[::1]/", "private"),
        (ChannelKind.WEBHOOK, "url", "http://[::ffff:10.0.0.1]/", "private"),
        (ChannelKind.WEBHOOK, "url", "http://ho st/", "malformed"),
        (ChannelKind.WEBHOOK, "url", "http://host:99999/", "malformed"),
        (ChannelKind.WEBHOOK, "url", "https://a.vn/" + "x" * 1_000, "too-long"),
        (ChannelKind.WEBHOOK, "url", "https://a.vn/\x00", "too-long"),
        (ChannelKind.TEAMS, "url", "https://hook.example.vn/a?sig=b", "not-teams"),
        (ChannelKind.TEAMS, "url", TEAMS.replace("sig=", "six="), "not-teams"),
        (ChannelKind.TEAMS, "url", TEAMS.replace("prod-1.westeurope.logic.azure.com", "10.0.0.1"), "private"),
        (ChannelKind.GOOGLE_CHAT, "url", GOOGLE.replace("googleapis.com", "example.vn"), "not-google"),
        (ChannelKind.GOOGLE_CHAT, "url", GOOGLE.replace("token=", "t="), "not-google"),
        (ChannelKind.TELEGRAM, "token", "12345", "malformed"),
        (ChannelKind.TELEGRAM, "chat_id", "me", "malformed"),
        (ChannelKind.ZALO_BOT, "token", "x:y z", "malformed"),
        (ChannelKind.ZALO_OA, "user_id", "me", "malformed"),
        (ChannelKind.EMAIL, "to", "ha@example", "malformed"),
        (ChannelKind.EMAIL, "to", "a@b.vn,c@d.vn", "malformed"),
        (ChannelKind.EMAIL, "host", "192.168.1.1", "private"),
        (ChannelKind.EMAIL, "host", "a/b", "malformed"),
        (ChannelKind.EMAIL, "port", "0", "malformed"),
        (ChannelKind.EMAIL, "security", "maybe", "unknown"),
        (ChannelKind.EMAIL, "password", "", "empty"),
        (ChannelKind.EMAIL, "sender", "fab", "malformed"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_field(kind: ChannelKind, field: str, text: str, code: str) -> None:
    with pytest.raises(WrongField) as refused:
        filled(kind, {**GOOD[kind], field: text}, BARE)
    assert (refused.value.field, refused.value.code) == (field, code)


def test_addresses_inside_are_taken_where_the_administrator_allows_them() -> None:
    inside = Installation(private=True)
    assert filled(ChannelKind.WEBHOOK, {"url": "http://10.1.2.3/x"}, inside)["url"] == "http://10.1.2.3/x"


@given(some.text(max_size=60))
def test_any_text_is_taken_or_refused_by_name(text: str) -> None:
    for kind, fields in GOOD.items():
        for name in fields:
            kept, refused = taken(kind, {**fields, name: text})
            assert refused in fields or (hint(kind, kept) and isinstance(address(kind, kept, BARE), str))


def taken(kind: ChannelKind, fields: Mapping[str, str]) -> tuple[Mapping[str, str], str]:
    """What is kept, or the field that is refused."""
    try:
        return filled(kind, fields, BARE), ""
    except WrongField as refused:
        return {}, refused.field


@pytest.mark.parametrize(
    "inside",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
        *("255.255.255.255", "::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "2001:0:4136:e378::", "fec0::1", "localhost", ""),
    ],
)
def test_what_is_inside_is_no_public_address(inside: str) -> None:
    assert not is_public(inside)


@pytest.mark.parametrize("outside", ["1.1.1.1", "203.162.4.190", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_what_is_outside_is_a_public_address(outside: str) -> None:
    assert is_public(outside)


@pytest.mark.parametrize("code", LANGUAGES)
def test_everything_has_words(code: str) -> None:
    words = language(code)
    for kind in ChannelKind:
        assert notification_words.KINDS[kind].name(words)
        for part in PARTS[kind]:
            assert notification_words.field_word(part.name, words)
            assert all(notification_words.OPTIONS[each](words) for each in part.options)
    for topic in Topic:
        assert notification_words.TOPICS[topic](words)
    for news in TOPIC_OF:
        assert notification_words.NEWS[news](words)
    for state in DeliveryState:
        assert notification_words.STATES[state][0](words)
    for result in (*Result, "http-401", "http-500", "smtp-535"):
        assert notification_words.result_word(result, words)


def test_every_kind_of_news_can_be_said_in_a_message() -> None:
    by_page = {kind for kind in TOPIC_OF if not kind.startswith(("command-", "job-"))}
    assert by_page <= notice_view.kinds()


def test_requests_and_machines_are_news_for_those_who_look_after_them() -> None:
    assert {each for each in Topic if not may_hear(TEACHER, each)} == {Topic.REQUEST, Topic.MACHINE}
    assert all(may_hear(TECHNICIAN, each) for each in Topic)


def test_the_controller_loads_apprise_and_its_like_only_in_the_process_that_sends() -> None:
    told = "import sys, controller.main; print([n for n in ('apprise', 'requests') if n in sys.modules])"
    found = subprocess.run((sys.executable, "-c", told), capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
