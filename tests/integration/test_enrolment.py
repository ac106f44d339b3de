"""The door on both databases, and the pages of agents over HTTP: who waits, who comes back, who has to go."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from contract.machine import Part, fact
from controller.fleet.arrivals import Verdict
from controller.fleet.door import Enrolment, Knock, Patience
from controller.fleet.door_tables import Arrival, Asset
from controller.fleet.enrolment import Credentials, Place, TokenRefused, broker_users
from controller.fleet.gatekeeping import Gatekeeper, NoSuchThing
from controller.fleet.tables import Agent, Room
from controller.identity.admin import Admin
from controller.identity.policy import Principal, Role
from controller.identity.store import audit_lines
from controller.timetable.sheets import write_csv
from tests.integration.running import Cluster, Running, csrf_of, running, seed
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
    with Session(door.engine) as db:
        actions = [each.action for each in audit_lines(db)]
    assert actions == ["enrol-token", "enrol", "enrol-wait", "enrol-admit", "enrol"]


def test_computer_that_is_reset_at_each_start_is_asked_about_once(door: Door) -> None:
    token = door.token()
    door.knock(token, "pc-1", 1, 1)
    door.knock(token, "pc-1", 2, 1)
    door.keeper.let_in(KY, door.waiting(), always=True)

    for key in (2, 3, 4):
        assert isinstance(door.knock(token, "pc-1", key, 1), Credentials)
    door.now += 3_600_001
    with pytest.raises(TokenRefused):
        door.knock(token, "pc-1", 5, 1)


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


def test_page_makes_a_code_that_lets_in_and_lists_who_came(controller: tuple[Running, Cluster]) -> None:
    one, _ = controller
    ky = one.signed_in("ky")
    page = post(ky, "/agents/enrol", place=f"{HERE}/p1", uses="2", hours="4")
    token = page.text.split('id="linux"', 1)[1].split("</p>", 1)[0].split()[-1]
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
