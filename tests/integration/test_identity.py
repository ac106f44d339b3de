"""Sessions, tokens and passwords on a real database, with the clock in our hand."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine
from sqlmodel import Session

from controller.commands.policy import Rule
from controller.commands.rights import Rights
from controller.fleet.door import Enrolment, Knock
from controller.fleet.enrolment import Credentials, NameTaken, Place, TokenRefused, broker_users, enrol
from controller.identity import store
from controller.identity.account import Accounts, LinkEnded
from controller.identity.admin import Admin, AdminError, NewUser
from controller.identity.password import Passwords, generate
from controller.identity.people import People
from controller.identity.policy import Permission, Role
from controller.identity.signin import SESSION_MS, SHARED_SESSION_MS, TOUCH_MS, Refused, SignIn, Source, TooManyTries
from controller.identity.tokens import Tokens, Wish
from tests.databases import fresh

pytestmark = pytest.mark.integration
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
WORD = "một mật khẩu dài"


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = fresh(tmp_path / "db")
    yield made
    made.dispose()


@pytest.fixture
def admin(engine: Engine, clock: Clock) -> Admin:
    """With one technician."""
    made = Admin(engine, QUICK, clock)
    made.add_user(NewUser("Kỹ", "Kỹ Thuật", Role.TECHNICIAN, None), WORD)
    return made


@pytest.fixture
def door(engine: Engine, admin: Admin, clock: Clock) -> SignIn:
    return SignIn(engine, QUICK, clock)


def enter(door: SignIn, *, shared: bool = False) -> str:
    return door.enter("kỹ", WORD, shared_machine=shared, source=Source("10.0.0.1")).token


@pytest.mark.parametrize(("shared", "lasts_ms"), [(False, SESSION_MS), (True, SHARED_SESSION_MS)])
def test_session_ends_when_nobody_uses_it(door: SignIn, clock: Clock, shared: bool, lasts_ms: int) -> None:
    token = enter(door, shared=shared)

    clock.ms += lasts_ms - 1
    assert door.by_session(token, slide=False) is not None
    clock.ms += 1
    assert door.by_session(token) is None


def test_session_of_a_shared_machine_slides_while_it_is_used(door: SignIn, clock: Clock) -> None:
    token = enter(door, shared=True)
    for _ in range(10):
        clock.ms += SHARED_SESSION_MS - 1
        assert door.by_session(token) is not None


def test_session_is_not_kept_alive_by_an_open_page(door: SignIn, clock: Clock) -> None:
    token = enter(door, shared=True)
    for _ in range(3):
        clock.ms += SHARED_SESSION_MS // 3
        door.by_session(token, slide=False)

    assert door.by_session(token) is None


def test_session_is_not_written_at_every_request(door: SignIn, clock: Clock, engine: Engine) -> None:
    token = enter(door)
    clock.ms += TOUCH_MS - 1
    door.by_session(token)

    with Session(engine) as db:
        found = store.session(db, token, clock.ms)
        assert found is not None
        assert found[0].seen_ms == clock.ms - TOUCH_MS + 1


def test_session_lasts_though_nothing_can_be_written(door: SignIn, clock: Clock, engine: Engine) -> None:
    token = enter(door)
    clock.ms += TOUCH_MS
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON user_session BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )

    assert door.by_session(token) is not None


def test_session_ends_when_the_password_changes(door: SignIn, admin: Admin) -> None:
    token = enter(door)

    admin.set_password("KỸ", "another long one")

    assert door.by_session(token) is None
    with pytest.raises(Refused):
        enter(door)


def test_secrets_are_stored_as_hashes_alone(door: SignIn, admin: Admin, engine: Engine, tmp_path: Path) -> None:
    secrets = [
        enter(door),
        admin.add_api_token("kỹ", "x", None),
        admin.add_enrol_token(Place("an-phu"), 1, 1_000),
        WORD,
        enrol(engine, Place("an-phu"), "pc-1").password,
    ]
    engine.dispose()

    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in secrets:
        assert secret.encode() not in stored


def test_api_token_expires(door: SignIn, admin: Admin, clock: Clock) -> None:
    token = admin.add_api_token("kỹ", "short", 1_000)

    assert door.by_bearer(token) is not None
    clock.ms += 1_000
    assert door.by_bearer(token) is None


def test_audit_has_a_line_for_every_change_and_names_nobody(door: SignIn, admin: Admin, engine: Engine) -> None:
    token = enter(door)
    who = door.by_session(token)
    assert who is not None
    door.leave(token, who, "10.0.0.1")
    with pytest.raises(Refused):
        door.enter("kỹ", "wrong", shared_machine=False, source=Source("10.0.0.1"))
    api = admin.add_api_token("kỹ", "program", None)
    admin.revoke_api_token(admin.api_tokens()[0].id)
    admin.add_enrol_token(Place("an-phu"), 2, 1_000)
    admin.set_password("kỹ", "another long one")
    admin.disable("kỹ", disabled=True)
    admin.disable("kỹ", disabled=False)

    with Session(engine) as db:
        lines = store.audit_lines(db)
        assert [line.action for line in lines] == [
            "user-add",
            "sign-in",
            "sign-out",
            "sign-in-failed",
            "token-add",
            "token-revoke",
            "enrol-token",
            "user-password",
            "user-disable",
            "user-enable",
        ]
        text = " ".join(str(line.model_dump()) for line in lines)
    for secret in ("kỹ", "Kỹ", WORD, api, token):
        assert secret not in text


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (NewUser("kỹ", "Again", Role.TECHNICIAN, None), "already"),
        (NewUser("ha", "Hà", Role.TEACHER, None), "belongs to a school"),
        (NewUser("ha", "Hà", Role.TEACHER, "nowhere"), "no school nowhere"),
        (NewUser(" ", "Hà", Role.TECHNICIAN, None), "1 to 64"),
    ],
)
def test_account_that_cannot_be_is_refused(admin: Admin, new: NewUser, told: str) -> None:
    with pytest.raises(AdminError, match=told):
        admin.add_user(new, WORD)


def test_password_that_is_too_short_is_refused(admin: Admin) -> None:
    with pytest.raises(AdminError, match="10 to 200"):
        admin.add_user(NewUser("ha", "Hà", Role.TECHNICIAN, None), "short")


def test_generated_passwords_are_long_and_never_the_same() -> None:
    made = {generate() for _ in range(200)}

    assert len(made) == 200
    assert {len(password) for password in made} == {19}


def test_password_check_of_nobody_is_false_and_does_the_same_work() -> None:
    class Counting(PasswordHasher):
        work = 0

        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
            Counting.work += 1
            return super().verify(hash, password)

    passwords = Passwords(Counting(time_cost=1, memory_cost=64, parallelism=1))

    assert not passwords.check(WORD, None)
    assert Counting.work == 1


def test_enrolment_uses_a_token_up_and_tells_the_broker(admin: Admin, engine: Engine, clock: Clock) -> None:
    told: list[int] = []
    door = Enrolment(engine, clock, lambda: told.append(1))
    token = admin.add_enrol_token(Place("an-phu", "p1"), 1, 60_000)

    made = door.by_token(Knock(token, "pc-1", "10.0.0.9"))

    assert isinstance(made, Credentials)
    assert told == [1]
    assert [each.address for each in broker_users(engine)] == [made.address]
    with pytest.raises(TokenRefused):
        door.by_token(Knock(token, "pc-2", "10.0.0.9"))


def test_enrolment_that_fails_does_not_use_the_token_up(admin: Admin, engine: Engine, clock: Clock) -> None:
    door = Enrolment(engine, clock, lambda: None)
    token = admin.add_enrol_token(Place("an-phu"), 1, 60_000)
    enrol(engine, Place("an-phu"), "pc-1")

    with pytest.raises(NameTaken):
        door.by_token(Knock(token, "pc-1", "10.0.0.9"))

    made = door.by_token(Knock(token, "pc-2", "10.0.0.9"))
    assert isinstance(made, Credentials)
    assert made.user == "an-phu.pc-2"


def test_enrolment_token_expires(admin: Admin, engine: Engine, clock: Clock) -> None:
    token = admin.add_enrol_token(Place("an-phu"), 5, 60_000)
    clock.ms += 60_000

    with pytest.raises(TokenRefused):
        Enrolment(engine, clock, lambda: None).by_token(Knock(token, "pc-1", "10.0.0.9"))


def test_enrolment_again_replaces_the_password_if_told_so(engine: Engine) -> None:
    first = enrol(engine, Place("an-phu"), "pc-1")
    second = enrol(engine, Place("an-phu"), "pc-1", replace=True)

    assert first.password != second.password
    assert len(broker_users(engine)) == 1


def test_ten_thousand_bad_sign_ins_cost_few_checks_and_leave_few_lines(door: SignIn, engine: Engine) -> None:
    """From two addresses at once: each is stopped after a hundred, and from another the right password opens."""
    checked = 0
    for number in range(10_000):
        with pytest.raises(Refused) as refused:
            door.enter(f"user{number % 997}", "guess", shared_machine=False, source=Source(f"10.0.1.{number % 2}"))
        checked += not isinstance(refused.value, TooManyTries)

    assert checked == 200
    with Session(engine) as db:
        actions = [line.action for line in store.audit_lines(db, 20_000)]
    assert actions.count("sign-in-failed") == 200
    assert actions.count("sign-in-blocked") == 2
    assert door.by_session(enter(door)) is not None


def test_bad_sign_ins_are_counted_by_the_network_where_machines_choose_their_addresses(door: SignIn) -> None:
    checked = 0
    for number in range(150):
        source = Source(f"2001:db8:1:2::{number + 1:x}")
        with pytest.raises(Refused) as refused:
            door.enter(f"user{number}", "guess", shared_machine=False, source=source)
        checked += not isinstance(refused.value, TooManyTries)
    assert checked == 100


def test_locks_links_tokens_and_rights_are_kept_in_either_database(either_database: Engine, clock: Clock) -> None:
    engine = either_database
    admin = Admin(engine, QUICK, clock)
    user_id = admin.add_user(NewUser("ky", "Kỹ Thuật", Role.ADMINISTRATOR, None), WORD)
    door, people = SignIn(engine, QUICK, clock), People(engine, clock)
    who = door.enter("ky", WORD, shared_machine=False, source=Source("10.0.0.1")).principal
    for _ in range(5):
        with pytest.raises(Refused):
            door.enter("ky", "wrong", shared_machine=False, source=Source("10.0.0.2"))
    with pytest.raises(TooManyTries):
        SignIn(engine, QUICK, clock).enter("ky", WORD, shared_machine=False, source=Source("10.0.0.2"))
    assert people.person(who, user_id).line.locked_ms == clock.ms + 5 * 60_000
    people.unlock(who, user_id)
    assert people.person(who, user_id).line.locked_ms is None

    accounts, link = Accounts(engine, QUICK, clock), people.reset(who, user_id)
    accounts.use_reset(link, "another long one", address="10.0.0.3")
    with pytest.raises(LinkEnded):
        accounts.use_reset(link, "yet another long one", address="10.0.0.3")
    assert people.person(who, user_id).sessions == []

    wish = Wish("x", 1, (Permission.VIEW_FLEET,), read_only=True)
    token = Tokens(engine, clock).make(who, user_id, wish)
    found = door.by_bearer(token)
    assert found is not None
    assert (found.only, found.read_only) == (frozenset({Permission.VIEW_FLEET}), True)
    rights, rule = Rights(engine, clock), Rule(Role.TEACHER, "projector", "mute")
    assert list(rights.set(who, {rule: False})) == [rule]
    assert rights.rules().set == {rule: False}
    assert list(rights.set(who, {rule: True})) == [rule]
    assert rights.rules().set == {}


def test_many_tries_at_once_are_counted_each(door: SignIn) -> None:
    """However many wait for the slow look at a password: five are looked at."""
    told: list[type[Exception]] = []

    def attempt() -> None:
        try:
            door.enter("kỹ", "wrong", shared_machine=False, source=Source("10.0.0.9"))
        except Refused as error:
            told.append(type(error))

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (told.count(Refused), told.count(TooManyTries)) == (5, 7)
