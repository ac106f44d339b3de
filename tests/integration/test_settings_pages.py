"""Settings of agents over HTTP, as pages and as API: who may, what is inherited, what is said of a wrong value."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session, select

from contract.desired import ConfigStand
from controller.desired import store
from controller.fleet.tables import Agent
from controller.scope import Scope
from tests.integration.running import Cluster, Running, csrf_of, running, seed

pytestmark = pytest.mark.integration
HERE, THERE = "binh-minh", "an-phu"


@dataclass
class House:
    """Two schools with an agent each; minh is technician of Bình Minh, ky and tri of the cluster."""

    running: Running
    cluster: Cluster

    def browser(self, login: str) -> httpx.Client:
        """In English."""
        found = self.running.signed_in(login)
        found.cookies.set("fabfleet_lang", "en")
        return found

    def program(self, login: str) -> httpx.Client:
        return self.running.bearer(self.cluster.admin.add_api_token(login, "settings", None))

    def agent(self, school: str) -> Agent:
        with Session(self.running.services.engine) as db:
            return db.exec(select(Agent).where(Agent.school_id == school)).one()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state: Path = tmp_path_factory.mktemp("settings")
    cluster = seed(state)
    with running(state) as found:
        yield House(found, cluster)


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields}, follow_redirects=True)


def test_settings_are_written_inherited_and_set_back_on_the_pages(house: House) -> None:
    chief, minh = house.browser("tri"), house.browser("minh")
    assert "Settings: Whole cluster" in chief.get("/agents/settings", follow_redirects=True).text
    saved = send(chief, "/agents/settings/cluster", flush_s="2.5")
    assert "Saved. 2 agents get other settings." in saved.text
    agent = house.agent(HERE)
    room, place = f"/agents/settings/room-{agent.room_id}", f"/agents/settings/agent-{agent.id}"
    assert "Without it: 2.50 s · from: Whole cluster" in minh.get(room).text
    assert "Saved. 1 agent gets other settings." in send(minh, room, flush_s="4", **{"outbox.kept_h": "24"}).text
    page = minh.get(place).text
    assert "Without it: 4 s · from: Phòng Bình" in page
    assert "Settings wait: no connection" in page
    send(minh, room)
    found = re.findall(r"/agents/settings/changes/(\d+)/restore", minh.get(room).text)
    back = send(minh, f"/agents/settings/changes/{found[0]}/restore", place=f"room-{agent.room_id}")
    assert 'name="flush_s" value="4.0"' in back.text


def test_pages_of_another_school_are_not_there_and_the_clusters_are_only_read(house: House) -> None:
    minh = house.browser("minh")
    agent = house.agent(THERE)
    for place in (f"agent-{agent.id}", f"room-{agent.room_id}", f"school-{THERE}", "room-0", "nowhere"):
        assert minh.get(f"/agents/settings/{place}").status_code == 404
        assert send(minh, f"/agents/settings/{place}", flush_s="3").status_code == 404
    assert "changed by whoever is responsible" in minh.get("/agents/settings/cluster").text
    assert send(minh, "/agents/settings/cluster", flush_s="3").status_code == 403
    assert house.browser("ha").get("/agents/settings").status_code == 403


def test_wrong_value_is_told_by_its_field_and_nothing_is_saved(house: House) -> None:
    minh = house.browser("minh")
    path = f"/agents/settings/school-{HERE}"
    wrong = {"flush_s": "soon", "broker.port": "70000", "broker.host": "a b", "outbox.kept_h": "12"}
    answer = send(minh, path, **wrong)
    assert answer.status_code == 422
    for said in (
        "Readings are sent at least every: write a number, 0.05 to 3,600 s.",
        "Port of the message broker: write a number, 1 to 65,535.",
        "Address of the message broker: write an address.",
    ):
        assert said in answer.text
    assert 'name="outbox.kept_h" value="12"' in answer.text
    assert 'name="outbox.kept_h" value=""' in minh.get(path).text


def test_drift_is_told_and_counted_on_the_pages(house: House) -> None:
    minh = house.browser("minh")
    agent = house.agent(HERE)
    with house.running.services.engine.begin() as connection:
        number = house.running.services.configs.stands(Scope(HERE))[0].number
        said = ConfigStand(rejected_generation=1, rejected_number=number, how="rolled-back", reason="no way <there>")
        store.hear(connection, agent.id or 0, HERE, said)
    page = minh.get("/agents").text
    assert "Settings rolled back: 1" in page
    assert "It went back to the former ones: no way &lt;there&gt;" in page


def test_api_reads_writes_restores_and_tells_drift(house: House) -> None:
    minh = house.program("minh")
    listed = minh.get("/api/v1/settings").json()["items"]
    assert {"key": "broker.port", "kind": "int", "unit": "1", "default": 1883, "least": 1, "most": 65535} in listed
    path = f"/api/v1/settings/school-{HERE}"
    assert minh.put(path, json={"settings": {"broker.spread_s": 7}}).json() == {"agents": 1}
    agent = f"/api/v1/settings/agent-{house.agent(HERE).id}"
    assert minh.get(agent).json()["effective"]["broker.spread_s"] == {"value": 7, "place": f"school-{HERE}"}
    wrong = minh.put(path, json={"settings": {"broker.port": 0}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "broker.port")
    assert minh.put("/api/v1/settings/cluster", json={"settings": {}}).status_code == 403
    assert minh.get(f"/api/v1/settings/school-{THERE}").status_code == 404
    assert minh.put(path, json={"settings": {}}).json() == {"agents": 1}
    older = minh.get(f"{path}/changes").json()["items"][1]
    assert minh.post(f"/api/v1/settings/changes/{older['id']}/restore").json() == {"agents": 1}
    assert minh.get(path).json()["own"] == {"broker.spread_s": 7}
    (stand,) = minh.get("/api/v1/drift").json()["items"]
    assert (stand["agent"], stand["state"]) == ("pc-1", "offline")
    assert {each["school"] for each in house.program("ky").get("/api/v1/drift").json()["items"]} == {HERE, THERE}
