"""The door on both databases, and the pages of agents over HTTP: who waits, who comes back, who has to go."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from contract.machine import Part, fact
from controller.config import NoticesConfig
from controller.database import migrate
from controller.fleet.arrivals import Verdict
from controller.fleet.claims import Claim
from controller.fleet.door import Enrolment, Knock, Patience
from controller.fleet.door_tables import Arrival, Asset, Twin
from controller.fleet.enrolment import (
    CopiedIdentity,
    Credentials,
    NotAdmitted,
    NotProven,
    Place,
    TokenRefused,
    broker_users,
    instance_of,
)
from controller.fleet.gatekeeping import Gatekeeper, NoSuchThing
from controller.fleet.tables import Agent, Room
from controller.fleet.waiting import GONE_MS, MOST_WAITING
from controller.identity.admin import Admin
from controller.identity.policy import Principal, Role
from controller.identity.store import audit, audit_lines
from controller.main import create_app
from controller.timetable.sheets import write_csv
from tests.inside import Inside
from tests.integration.running import PASSWORD, Cluster, Running, csrf_of, running, seed, settings
from tests.passwords import quick

pytestmark = pytest.mark.integration

HERE, THERE = "an-phu", "binh-minh"
NOW = 1_800_000_000_000
KY = Principal("ky", "ky", "Kỹ", Role.TECHNICIAN, None)
MINH = Principal("minh", "minh", "Minh", Role.TECHNICIAN, THERE)


class Door:
    """An installation with one school, and computers that come to it by number."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = NOW
        self.admitted = 0
        self.enrolment = Enrolment(engine, lambda: self.now, self._admit)
        self.keeper = Gatekeeper(engine, lambda: self.now, self._admit)
        self.salt = self.enrolment.salt()
        self.admin = Admin(engine, quick(), lambda: self.now)

    def _admit(self) -> None:
        self.admitted += 1

    def token(self, uses: int = 1) -> str:
        return self.admin.add_enrol_token(Place(HERE, "p1"), uses, 3_600_000)

    def facts(self, number: int) -> tuple[str, ...]:
        return fact(Part.BOARD, f"PF{number:03}", self.salt), fact(Part.MAC, f"52:54:00:00:00:{number:02}", self.salt)

    def knock(self, token: str, name: str, key: int, pc: int, *, replace: bool = False) -> Credentials | Patience:
        return self.enrolment.by_token(Knock(token, name, "10.0.0.9", f"{key:064x}", self.facts(pc), replace))

    def ask(self, token: str, name: str, key: int, machine: tuple[str, ...]) -> Credentials | Patience:
        return self.enrolment.by_token(Knock(token, name, "10.0.0.9", f"{key:064x}", machine))

    def reclaim(self, key: str, pc: int, *, epoch: str) -> Credentials:
        return self.enrolment.reclaim(Claim(HERE, "pc-1", "10.0.0.9", key, f"{pc:063x}e", self.facts(pc), epoch))

    def actions(self) -> list[str]:
        with Session(self.engine) as db:
            return [each.action for each in audit_lines(db)]

    def agents(self) -> dict[str, Agent]:
        with Session(self.engine) as db:
            return {each.name: each for each in db.exec(select(Agent))}

    def waiting(self) -> int:
        with Session(self.engine) as db:
            return db.exec(select(Arrival.id).where(Arrival.stand == "waiting")).one() or 0


@pytest.fixture
def door(either_database: Engine) -> Door:
    return Door(either_database)


def test_same_key_again_gets_credentials_anew_and_takes_no_second_use(door: Door) -> None:
    token = door.token()
    first = door.knock(token, "pc-1", 1, 1)
    again = door.knock(token, "pc-1", 1, 1)

    assert isinstance(first, Credentials)
    assert isinstance(again, Credentials)
    assert (again.address, again.password != first.password) == (first.address, True)
    assert door.salt == Enrolment(door.engine, lambda: NOW, lambda: None).salt(), "made once"
    with pytest.raises(TokenRefused):
        door.knock(token, "pc-2", 2, 2)


def test_computer_with_a_new_key_waits_and_is_let_back_in_under_its_name(door: Door) -> None:
    token = door.token()
    door.knock(token, "pc-1", 1, 1)
    assert door.knock(token, "other", 9, 1) == Patience(Verdict.RETURNED)
    assert door.knock(token, "other", 9, 1) == Patience(Verdict.RETURNED)
    with pytest.raises(NoSuchThing):
        door.keeper.let_in(MINH, door.waiting())

    door.keeper.let_in(KY, door.waiting())
    back = door.knock(token, "other", 9, 1)

    assert isinstance(back, Credentials)
    assert back.address.agent == "pc-1"
    assert list(door.agents()) == ["pc-1"]
    assert door.actions() == ["enrol-token", "enrol", "enrol-wait", "enrol-admit", "enrol"]


def test_computer_that_is_reset_at_each_start_is_asked_about_once(door: Door) -> None:
    token = door.token()
    door.knock(token, "pc-1", 1, 1)
    door.knock(token, "pc-1", 2, 1)
    door.keeper.let_in(KY, door.waiting(), always=True)

    assert isinstance(door.knock(token, "pc-1", 2, 1), Credentials)
    for key in (3, 4):
        assert isinstance(door.knock(token, "pc-1", key, 1), Credentials)
    door.now += 3_600_001
    assert isinstance(door.knock(token, "pc-1", 5, 1), Credentials), "its image goes on carrying the same token"
    with pytest.raises(TokenRefused):
        door.knock(token, "pc-2", 6, 2)
    assert door.actions()[-4:] == ["enrol-unasked", "enrol-unasked", "enrol-unasked", "enrol-refused"]


def test_stranger_with_a_network_card_that_all_see_is_not_let_in_as_a_computer_that_is_reset(door: Door) -> None:
    token = door.token(5)
    door.knock(token, "pc-1", 1, 1)
    door.knock(token, "pc-1", 2, 1)
    door.keeper.let_in(KY, door.waiting(), always=True)
    real = door.knock(token, "pc-1", 2, 1)
    board, card = door.facts(1)
    others_board, _ = door.facts(6)

    for key, shown in ((7, (card,)), (8, (card, others_board))):
        assert door.ask(token, "x", key, shown) == Patience(Verdict.RETURNED)
    assert isinstance(real, Credentials)
    assert [each.user for each in broker_users(door.engine)] == [real.user]
    with Session(door.engine) as db:
        assert db.exec(select(Agent.instance)).one() == instance_of(f"{2:064x}"), "the real one keeps its place"

    assert isinstance(door.ask(token, "pc-1", 9, (board,)), Credentials), "half of what is known, and no card"
    assert door.agents()["pc-1"].machine == f"{board} {card}", "what it is known by is not made less by that"


def test_ended_token_lets_nobody_in_and_turns_away_who_waits_with_it(door: Door) -> None:
    token = door.token(5)
    door.knock(token, "pc-1", 1, 1)
    door.knock(token, "pc-1", 2, 1)
    door.keeper.let_in(KY, door.waiting(), always=True)
    door.knock(token, "pc-1", 2, 1)
    door.knock(token, "pc-2", 3, 2)
    assert door.knock(token, "pc-2", 4, 2) == Patience(Verdict.RETURNED)
    waits = door.waiting()

    (listed,) = door.keeper.tokens(KY.scope)
    door.keeper.end_token(KY, listed.id)

    assert door.keeper.tokens(KY.scope) == []
    for name, key, pc in (("pc-1", 2, 1), ("pc-1", 5, 1), ("pc-2", 4, 2), ("pc-3", 6, 3)):
        with pytest.raises(TokenRefused):
            door.knock(token, name, key, pc)
    with pytest.raises(NoSuchThing):
        door.keeper.let_in(KY, waits)


def test_known_computer_with_a_new_key_waits_also_when_its_token_is_over(door: Door) -> None:
    token = door.token()
    door.knock(token, "pc-1", 1, 1)
    door.now += 3_600_001

    assert door.knock(token, "pc-1", 2, 1) == Patience(Verdict.RETURNED)
    for name, key, instead in (("pc-2", 3, False), ("pc-1", 4, True)):
        with pytest.raises(TokenRefused):
            door.knock(token, name, key, 2, replace=instead)
    door.keeper.let_in(KY, door.waiting())
    back = door.knock(token, "pc-1", 2, 1)
    assert isinstance(back, Credentials)
    assert back.address.agent == "pc-1"
    assert [each.uses_left for each in door.keeper.tokens(KY.scope)] == [0], "it stays listed, and can be ended"


def test_line_at_the_door_of_one_agent_is_bounded_and_forgets_who_went(door: Door) -> None:
    token = door.token()
    door.knock(token, "pc-1", 1, 1)
    for key in range(2, 2 + MOST_WAITING):
        assert door.knock(token, "pc-1", key, 1) == Patience(Verdict.RETURNED)
    with pytest.raises(NotAdmitted, match="too many"):
        door.knock(token, "pc-1", 99, 1)

    door.now += GONE_MS + 1
    assert door.knock(token, "pc-1", 2, 1) == Patience(Verdict.RETURNED), "who asks on stays in it"
    assert door.knock(token, "pc-1", 99, 1) == Patience(Verdict.RETURNED)
    assert len(door.keeper.arrivals(KY.scope)) == 2


def test_replacement_takes_the_name_by_a_token_of_its_own_or_by_a_persons_word(door: Door) -> None:
    token = door.token(3)
    door.knock(token, "pc-1", 1, 1)
    assert door.knock(token, "pc-1", 2, 2, replace=True) == Patience(Verdict.REPLACES)
    door.keeper.turn_away(KY, door.waiting())
    agent_id = door.agents()["pc-1"].id or 0

    stands_in = door.keeper.replace(KY, agent_id, 60_000).secret
    made = door.knock(stands_in, "whatever", 3, 3)

    assert isinstance(made, Credentials)
    assert made.address.agent == "pc-1"
    assert door.agents()["pc-1"].id == agent_id
    with pytest.raises(TokenRefused):
        door.knock(stands_in, "pc-4", 4, 4)


def test_replacement_whose_answer_was_lost_asks_again_with_the_same_token(door: Door) -> None:
    token = door.token()
    door.knock(token, "pc-1", 1, 1)
    agent_id = door.agents()["pc-1"].id or 0
    stands_in = door.keeper.replace(KY, agent_id, 60_000).secret
    lost = door.knock(stands_in, "whatever", 3, 3)
    again = door.knock(stands_in, "whatever", 3, 3)

    assert isinstance(lost, Credentials)
    assert isinstance(again, Credentials)
    assert (again.address, again.password != lost.password) == (lost.address, True)
    door.keeper.revoke(KY, agent_id)
    assert door.knock(stands_in, "whatever", 3, 3) == Patience(Verdict.RETURNED), "revoked since: a person is asked"


def test_computer_that_is_an_agent_becomes_another_one_with_a_key_of_its_own(door: Door) -> None:
    token = door.token(2)
    door.knock(token, "pc-1", 1, 1)
    door.knock(token, "pc-5", 5, 5)
    stands_in = door.keeper.replace(KY, door.agents()["pc-1"].id or 0, 60_000).secret
    with pytest.raises(CopiedIdentity):
        door.knock(stands_in, "pc-5", 5, 5)
    made = door.knock(stands_in, "pc-5", 6, 5)
    assert isinstance(made, Credentials)
    assert made.address.agent == "pc-1"


def test_refusal_is_of_one_token_and_a_new_one_asks_a_person_anew(door: Door) -> None:
    token = door.token()
    door.knock(token, "pc-1", 1, 1)
    door.knock(token, "pc-1", 9, 1)
    door.keeper.turn_away(KY, door.waiting())
    with pytest.raises(NotAdmitted, match="new token"):
        door.knock(token, "pc-1", 9, 1)

    assert door.knock(door.token(), "pc-1", 9, 1) == Patience(Verdict.RETURNED)
    assert door.actions().count("enrol-wait") == 2
    door.keeper.let_in(KY, door.waiting())
    assert isinstance(door.knock(token, "pc-1", 9, 1), Credentials)


def test_key_of_an_agent_of_another_school_is_a_copy(door: Door) -> None:
    door.knock(door.token(), "pc-1", 1, 1)
    there = door.admin.add_enrol_token(Place(THERE, "p1"), 1, 3_600_000)
    for pc in (1, 2):  # moved there, or a copy: one key is one agent
        with pytest.raises(CopiedIdentity):
            door.knock(there, "pc-1", 1, pc)
    made = door.knock(there, "pc-1", 2, 2)

    assert isinstance(made, Credentials)
    with Session(door.engine) as db:
        schools = {each.id: each.school_id for each in db.exec(select(Agent))}
        assert sorted((each.school_id, schools[each.agent_id or 0]) for each in db.exec(select(Arrival))) == [
            (HERE, HERE),
            (THERE, THERE),
        ]


def test_token_that_was_ended_before_there_was_a_mark_for_it_is_ended(either_empty: Engine) -> None:
    engine = either_empty
    migrate(engine, "0019")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO school (id, name, short) VALUES ('an-phu', 'An Phú', '')")
        for name in ("used", "ended"):
            connection.exec_driver_sql(
                "INSERT INTO enrol_token (id, token_hash, school_id, room, uses_left, created_ms, expires_ms)"
                f" VALUES ('{name}', '{name}', 'an-phu', '', 0, 1, 2)"
            )
        audit(connection, 2, "enrol-token-end", subject="an-phu/ended", school_id="an-phu")
    migrate(engine)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT id, ended FROM enrol_token ORDER BY id").all()
    assert [(row[0], bool(row[1])) for row in found] == [("ended", True), ("used", False)]


# copies


def split(door: Door, *epochs: str) -> str:
    """The key of pc-1, which two computers share until a person says that the first keeps the name."""
    door.knock(door.token(), "pc-1", 1, 1)
    agent = door.agents()["pc-1"]
    with Session(door.engine) as db:
        for pc, epoch in enumerate(epochs, 1):
            machine = " ".join(door.facts(pc))
            db.add(
                Twin(
                    school_id=HERE, agent_id=agent.id or 0, epoch=epoch, instance=agent.instance, machine=machine,
                    seen_ms=1,
                )
            )  # fmt: skip
        db.commit()
        first = db.exec(select(Twin.id).where(Twin.epoch == epochs[0])).one() or 0
    door.keeper.split(KY, first)
    return f"{1:064x}"


def test_copy_of_an_image_that_was_off_at_the_split_waits_for_one_word_and_gets_a_name(door: Door) -> None:
    key = split(door, "aa", "bb")
    second = door.reclaim(key, 2, epoch="bb")
    assert second.address.agent == "pc-1-2"
    for _ in range(2):
        with pytest.raises(NotAdmitted, match="person"):
            door.reclaim(key, 3, epoch="cc")
    assert [(each.why, each.name) for each in door.keeper.arrivals(KY.scope)] == [(Verdict.COPIED, "pc-1")]
    assert door.actions().count("enrol-wait") == 1

    door.keeper.let_in(KY, door.waiting())
    third = door.reclaim(key, 3, epoch="dd")
    again = door.reclaim(key, 3, epoch="ee")  # the answer was lost, and it was restarted

    assert third.address.agent == again.address.agent == "pc-1-3"
    assert sorted(door.agents()) == ["pc-1", "pc-1-2", "pc-1-3"]
    with pytest.raises(NotAdmitted, match="person"):
        door.reclaim(key, 4, epoch="ff")
    door.keeper.turn_away(KY, door.waiting())
    with pytest.raises(NotAdmitted, match="said no"):
        door.reclaim(key, 4, epoch="ff")


def test_holder_of_a_copied_key_is_not_the_keeper_by_a_network_card_that_all_see(door: Door) -> None:
    key = split(door, "aa", "bb")
    assert door.reclaim(key, 1, epoch="xx").address.agent == "pc-1", "all of its parts"
    _, card = door.facts(1)
    with pytest.raises(NotAdmitted, match="person"):
        door.enrolment.reclaim(Claim(HERE, "pc-1", "10.0.0.9", key, "f" * 64, (card,), "yy"))
    door.keeper.revoke(KY, door.agents()["pc-1"].id or 0)
    with pytest.raises(NotProven):
        door.reclaim(key, 9, epoch="zz")


def test_revoked_agent_is_no_user_of_the_broker_and_waits_if_it_comes_again(door: Door) -> None:
    token = door.token(2)
    door.knock(token, "pc-1", 1, 1)
    before = door.admitted
    door.keeper.revoke(KY, door.agents()["pc-1"].id or 0)

    assert broker_users(door.engine) == []
    assert door.admitted == before + 1
    assert door.knock(token, "pc-1", 1, 1) == Patience(Verdict.RETURNED)


def test_computer_of_the_list_takes_its_name_and_room_from_there(door: Door) -> None:
    token = door.token(1)
    with Session(door.engine) as db:
        db.add(Asset(school_id=HERE, serial="pf-007", name="PC P206", room="Phòng 206"))
        db.commit()
    made = door.knock(token, "desktop-1x", 1, 7)

    assert isinstance(made, Credentials)
    assert made.address.agent == "pc-p206"
    with Session(door.engine) as db:
        room = db.exec(select(Room).where(Room.slug == "phong-206")).one()
        assert (room.name, db.exec(select(Agent.room_id)).one()) == ("Phòng 206", room.id)


# pages


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Cluster]]:
    state: Path = tmp_path_factory.mktemp("enrolment")
    cluster = seed(state)
    with running(state) as one:
        yield one, cluster


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields})


def token_on(page: httpx.Response) -> str:
    """The one in the line for Debian."""
    line = page.text.split('id="linux"', 1)[1].split("</p>", 1)[0].split()
    return line[line.index("enrol") + 2]


def test_page_makes_a_code_that_lets_in_and_lists_who_came(controller: tuple[Running, Cluster]) -> None:
    one, _ = controller
    ky = one.signed_in("ky")
    page = post(ky, "/agents/enrol", place=f"{HERE}/p1", uses="2", hours="4")
    token = token_on(page)
    live = page.text.split('hx-get="', 1)[1].split('"', 1)[0]

    answer = one.client().post("/api/v1/enrol", json={"token": token, "agent": "pc-7", "key": "ab" * 32})

    assert answer.status_code == 201
    assert "pc-7" in ky.get(live).text
    assert token in one.client().get(f"/e/{token}").text
    assert one.client().get("/e/<script>").status_code == 404
    assert post(ky, f"/agents/tokens/{live.split('/')[3]}/end").status_code == 303
    ended = one.client().post("/api/v1/enrol", json={"token": token, "agent": "pc-8", "key": "cd" * 32})
    assert (ended.status_code, ended.json()["code"]) == (403, "token-refused")
    assert post(ky, "/agents/enrol", place=f"{HERE}/p1", uses="0", hours="4").status_code == 422


def test_page_hands_out_the_public_address_and_warns_of_one_that_leads_nowhere(
    controller: tuple[Running, Cluster], tmp_path: Path
) -> None:
    one, _ = controller
    ky, asked = one.signed_in("ky"), {"place": f"{HERE}/p1", "uses": "1", "hours": "4"}
    for code, warned in (("en", "where only the server finds itself"), ("vi", "chỉ dùng được ngay trên máy chủ")):
        post(ky, "/language", lang=code)
        page = post(ky, "/agents/enrol", **asked).text
        assert warned in page
        assert "qrbox" not in page, "no phone gets there"
        assert warned in one.client().get("/e/token", headers={"accept-language": code}).text
    seed(tmp_path)
    notices = NoticesConfig(public_url="https://fab.example.vn/")
    app = create_app(replace(settings(tmp_path), notices=notices))
    app.state.services.live.load()
    with Inside(app) as inside:
        ky = inside.signed_in("ky", PASSWORD)
        page = post(ky, "/agents/enrol", **asked).text
    assert "fabfleet-agent enrol https://fab.example.vn ffe_" in page
    assert "install.ps1 -Server https://fab.example.vn -Token ffe_" in page
    assert "qrbox" in page
    assert "where only" not in page


def test_page_lists_codes_that_are_over_until_they_are_ended(controller: tuple[Running, Cluster]) -> None:
    one, cluster = controller
    ky = one.signed_in("ky")
    token = cluster.admin.add_enrol_token(Place(HERE, "p1"), 1, 3_600_000)
    asked = {"token": token, "agent": "pc-once", "key": "ef" * 32}
    assert one.client().post("/api/v1/enrol", json=asked).status_code == 201
    over = ky.get("/agents/enrol").text.split("<details", 1)[1]
    path = over.split('action="', 1)[1].split('"', 1)[0]
    assert post(ky, path).status_code == 303
    assert path not in ky.get("/agents/enrol").text


def test_false_keys_and_proofs_are_audited_and_bounded_and_hold_back_nobody_else(
    controller: tuple[Running, Cluster],
) -> None:
    one, cluster = controller
    agent = one.client()
    token = cluster.admin.add_enrol_token(Place(HERE, "p1"), 1, 3_600_000)
    mine = {"token": token, "agent": "pc-9", "key": "ab" * 31 + "cd"}
    assert agent.post("/api/v1/enrol", json=mine).status_code == 201
    claim = {"school": HERE, "agent": "pc-9", "key": "0" * 64, "new_key": "1" * 64}
    forged = {"authorization": f"Fabfleet {HERE}.pc-9 {'0' * 64}"}

    claims = [agent.post("/api/v1/enrol/reclaim", json=claim).status_code for _ in range(25)]
    proofs = [agent.post("/api/v1/renewals/1", headers=forged).status_code for _ in range(25)]

    assert (claims[:20], set(claims[20:])) == ([403] * 20, {429})
    assert (proofs[:20], set(proofs[20:])) == ([401] * 20, {429})
    with Session(one.services.engine) as db:
        told = [(each.action, each.detail) for each in audit_lines(db)]
    for action in ("reclaim-refused", "renewal-refused"):
        assert told.count((action, f"{HERE}/pc-9")) == 1
    right = claim | {"key": mine["key"]}
    assert agent.post("/api/v1/enrol/reclaim", json=right).status_code == 201, "the agent itself is heard"


def test_page_is_for_technicians_and_shows_their_own_school(controller: tuple[Running, Cluster]) -> None:
    one, _ = controller
    minh, ha = one.signed_in("minh"), one.signed_in("ha")

    assert ha.get("/agents").status_code == 403
    assert "THCS An Phú" not in minh.get("/agents").text
    assert post(minh, "/agents/enrol", place=f"{HERE}/p1", uses="1", hours="4").status_code == 404
    with Session(one.services.engine) as db:
        other = db.exec(select(Agent.id).where(Agent.school_id == HERE)).first()
    assert post(minh, f"/agents/{other}/revoke").status_code == 404
    assert minh.post(f"/agents/{other}/revoke").status_code == 403, "no form of ours"


def test_list_of_computers_is_imported_after_a_look_at_it(controller: tuple[Running, Cluster]) -> None:
    one, _ = controller
    tri = one.signed_in("tri")
    rows = (
        ("Tên máy", "Phòng", "Số sê-ri", "Địa chỉ MAC"),
        ("pc-p206", "P.206", "PF3XK9ZQ", "52-54-00-12-34-56"),
        ("pc-p207", "P.207", "", "525400123457"),
        ("pc-p208", "P.208", "", "nonsense"),
        ("pc-p209", "P.209", "", ""),
    )
    fields = {"csrf": csrf_of(tri), "kind": "assets", "school": HERE}
    page = tri.post("/import", data=fields, files={"file": ("t.csv", write_csv(rows))}, follow_redirects=True)
    form = page.text.split('<form method="post" action="/import/', 1)[1]
    digest = form.split('name="digest" value="', 1)[1].split('"', 1)[0]
    with Session(one.services.engine) as db:
        assert db.exec(select(Asset)).all() == [], "nothing before it is said"
    assert post(tri, f"/import/{form.split(chr(34), 1)[0]}", digest=digest).status_code == 200

    with Session(one.services.engine) as db:
        found = db.exec(select(Asset).order_by(Asset.name)).all()
    assert [(each.name, each.serial, each.mac) for each in found] == [
        ("pc-p206", "PF3XK9ZQ", "52:54:00:12:34:56"),
        ("pc-p207", "", "52:54:00:12:34:57"),
    ]
