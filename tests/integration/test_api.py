"""The JSON API and the live stream, over a real controller, its broker and agents that speak by hand."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.messages import BridgeState
from contract.topics import Address, Channel
from controller.fleet.enrolment import Place
from controller.scope import CLUSTER
from tests.integration.mqtt import Client, eventually
from tests.integration.running import Cluster, Events, Running, Speaker, running, seed

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def cluster(state: Path) -> Cluster:
    return seed(state)


@pytest.fixture(scope="module")
def controller(state: Path, cluster: Cluster) -> Iterator[Running]:
    with running(state) as one:
        yield one


@pytest.fixture(scope="module")
def speaker(controller: Running, cluster: Cluster) -> Iterator[Speaker]:
    """An agent with three printers, one of which it cannot reach."""
    with Speaker(cluster.agents["an-phu"], controller.broker_port) as agent:
        agent.lists("a1", "b2", "c3")
        agent.reports("a1", 20.0, None, 21.5)
        agent.reports("b2", 250.25)
        eventually(lambda: len(controller.services.live.devices(CLUSTER)) == 3, "three devices", 30)
        eventually(lambda: values_of(controller) == [21.5, 250.25, None], "two values", 30)
        yield agent


def values_of(controller: Running) -> list[object]:
    return [view.value for view in controller.services.live.devices(CLUSTER)]


@pytest.fixture(scope="module")
def token(cluster: Cluster) -> str:
    return cluster.admin.add_api_token("ky", "tests", None)


@pytest.fixture(scope="module")
def schema(controller: Running) -> dict[str, Any]:
    found: dict[str, Any] = controller.client().get("/openapi.json").json()
    return found


def check(schema: dict[str, Any], path: str, body: object) -> None:
    """Fail unless `body` is what the schema says that a GET of `path` answers."""
    content = schema["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**content, "components": schema["components"]}).validate(body)


# devices


def test_devices_are_listed_as_the_schema_says(
    controller: Running, speaker: Speaker, token: str, schema: dict[str, Any]
) -> None:
    body = controller.bearer(token).get("/api/v1/devices").json()

    check(schema, "/api/v1/devices", body)
    assert body["broker"] is True
    assert [(each["slug"], each["state"], each["value"], each["unit"]) for each in body["items"]] == [
        ("a1", "ok", 21.5, "Cel"),
        ("b2", "ok", 250.25, "Cel"),
        ("c3", "ok", None, "Cel"),
    ]


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("q=may in a1", ["a1"]),
        ("q=MÁY IN&limit=2", ["a1", "b2"]),
        ("q=phong an c3", ["c3"]),
        ("q=nothing", []),
        ("school=an-phu&limit=1&offset=1", ["b2"]),
        ("school=binh-minh", []),
        ("state=fault", []),
        ("state=ok&state=warning", ["a1", "b2", "c3"]),
        ("room=99999", []),
    ],
)
def test_devices_are_found_by_words_school_room_and_state(
    controller: Running, speaker: Speaker, token: str, query: str, slugs: list[str]
) -> None:
    body = controller.bearer(token).get(f"/api/v1/devices?{query}").json()

    assert [each["slug"] for each in body["items"]] == slugs


def test_devices_come_in_pages_that_join_up(controller: Running, speaker: Speaker, token: str) -> None:
    client = controller.bearer(token)
    first = client.get("/api/v1/devices?limit=2").json()
    second = client.get(f"/api/v1/devices?limit=2&offset={first['next']}").json()

    assert [[each["slug"] for each in page["items"]] for page in (first, second)] == [["a1", "b2"], ["c3"]]
    assert (first["total"], second["total"], second["next"]) == (3, 3, None)


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "offset=-1", "state=angry", "room=x"])
def test_devices_refuse_a_query_that_means_nothing(controller: Running, token: str, query: str) -> None:
    assert controller.bearer(token).get(f"/api/v1/devices?{query}").status_code == 422


@pytest.mark.parametrize(
    "question", ["devices?room={id}", "rollups?from=1&to=9&after={id}", "availability?resource={id}&periods=1"]
)
def test_id_that_no_database_could_have_is_refused(controller: Running, token: str, question: str) -> None:
    for number in (2**63, -(2**63) - 1):
        assert controller.bearer(token).get(f"/api/v1/{question.format(id=number)}").status_code == 422


def test_device_tells_all_its_values(controller: Running, speaker: Speaker, token: str, schema: dict[str, Any]) -> None:
    client = controller.bearer(token)
    found = client.get("/api/v1/devices?q=máy in a1").json()["items"][0]["id"]

    body = client.get(f"/api/v1/devices/{found}").json()

    check(schema, "/api/v1/devices/{device_id}", body)
    value = next(each for each in body["values"] if each["metric"] == "nozzle-temperature")
    assert (value["value"], value["quality"], value["unit"], value["label_vi"]) == (
        21.5,
        "good",
        "Cel",
        "Nhiệt độ đầu in",
    )
    assert client.get("/api/v1/devices/999999").status_code == 404
    assert client.get("/api/v1/devices/x").status_code == 422


def test_series_tells_values_over_time_with_gaps(
    controller: Running, speaker: Speaker, token: str, schema: dict[str, Any]
) -> None:
    client = controller.bearer(token)
    found = client.get("/api/v1/devices?q=máy in a1").json()["items"][0]["id"]

    body = client.get(f"/api/v1/devices/{found}/series/nozzle-temperature").json()

    check(schema, "/api/v1/devices/{device_id}/series/{metric}", body)
    assert [value for _, value in body["points"]] == [20.0, None, 21.5]
    assert body["to_ms"] - body["from_ms"] == 86_400_000
    narrow = client.get(
        f"/api/v1/devices/{found}/series/nozzle-temperature?from={body['points'][2][0]}&to={body['to_ms']}"
    ).json()
    assert [value for _, value in narrow["points"]] == [21.5]
    assert (body["tier"], body["resolution_ms"]) == ("rows", 0)
    year = client.get(
        f"/api/v1/devices/{found}/series/nozzle-temperature?from={body['to_ms'] - 365 * 86_400_000}&to={body['to_ms']}"
    ).json()
    assert (year["tier"], year["resolution_ms"]) == ("1h", 3_600_000)
    assert [value for _, value in year["points"]] == [20.0, None, 21.5]


def test_rollups_are_told_by_series_within_the_scope(
    controller: Running, speaker: Speaker, cluster: Cluster, token: str, schema: dict[str, Any]
) -> None:
    controller.services.plant.roll()
    now = controller.services.now_ms()
    asked = f"tier=5min&from={now - 86_400_000}&to={now}"
    body = controller.bearer(token).get(f"/api/v1/rollups?{asked}").json()
    check(schema, "/api/v1/rollups", body)
    known = {series: metric for series, _, metric, _ in body["series"]}
    assert {known[each[0]] for each in body["rollups"]} == set(known.values()) >= {"nozzle-temperature"}
    assert all(low <= mean <= high and count > 0 for _, _, count, low, mean, high in body["rollups"])

    client = controller.bearer(token)
    piece = client.get(f"/api/v1/rollups?{asked}&series=1").json()
    pieces = piece["rollups"]
    while piece["next"] is not None:
        piece = client.get(f"/api/v1/rollups?{asked}&series=1&after={piece['next']}").json()
        pieces += piece["rollups"]
    assert pieces == body["rollups"]
    assert client.get(f"/api/v1/rollups?from={now}&to={now}").status_code == 400
    assert client.get(f"/api/v1/rollups?from=0&to={now}&tier=5min").status_code == 400

    teacher = cluster.admin.add_api_token("ha", "rollups", None)
    ours = {device["id"] for device in controller.bearer(teacher).get("/api/v1/devices").json()["items"]}
    theirs = controller.bearer(teacher).get(f"/api/v1/rollups?{asked}").json()["series"]
    assert {device for _, device, _, _ in theirs} <= ours


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nozzle-temperature?from=2000&to=1000", 400),
        ("nozzle-temperature?from=0&to=4000000000000", 400),
        ("nozzle-temperature?points=1", 422),
        ("nozzle-temperature?points=100000", 422),
        ("nozzle-temperature?from=-1", 422),
        ("no-such-metric", 404),
    ],
)
def test_series_refuses_what_it_cannot_tell(
    controller: Running, speaker: Speaker, token: str, path: str, status: int
) -> None:
    client = controller.bearer(token)
    found = client.get("/api/v1/devices?q=máy in a1").json()["items"][0]["id"]

    assert client.get(f"/api/v1/devices/{found}/series/{path}").status_code == status


# who may ask


def test_bearer_token_stands_for_its_account_until_it_is_revoked(controller: Running, cluster: Cluster) -> None:
    token = cluster.admin.add_api_token("ha", "short", None)
    client = controller.bearer(token)
    assert client.get("/api/v1/devices").status_code == 200
    assert client.get("/api/v1/quarantine").status_code == 403, "a teacher's token has a teacher's rights"

    cluster.admin.revoke_api_token(next(each.id for each in cluster.admin.api_tokens() if each.name == "short"))

    assert client.get("/api/v1/devices").status_code == 401


def test_bearer_token_that_is_wrong_is_not_helped_by_a_session(controller: Running) -> None:
    browser = controller.signed_in("ky")
    assert browser.get("/api/v1/devices").status_code == 200

    assert browser.get("/api/v1/devices", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_bearer_token_is_stored_as_a_hash_alone(state: Path, token: str) -> None:
    for file in state.rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file


# enrolment


def test_enrolment_gives_an_agent_what_it_needs_to_speak(controller: Running, cluster: Cluster, token: str) -> None:
    one_time = cluster.admin.add_enrol_token(Place("cau-vong", "p9", "TH Cầu Vồng", "", "Phòng 9"), 1, 60_000)

    answer = controller.client().post("/api/v1/enrol", json={"token": one_time, "agent": "pi-1"})

    assert answer.status_code == 201
    given = answer.json()
    assert (given["school"], given["agent"], given["broker_port"]) == ("cau-vong", "pi-1", controller.broker_port)
    assert len(bytes.fromhex(given["lease_key"])) == 32
    address = Address("cau-vong", "pi-1")
    with patiently(given["broker_port"], given["user"], given["password"], address.client_id) as agent:
        assert agent.subscribe(address.topic(Channel.ACK))
        assert not agent.subscribe(Address("an-phu", "pc-1").topic(Channel.ACK))


@contextmanager
def patiently(port: int, user: str, password: str, client_id: str) -> Iterator[Client]:
    """A connection, tried again while the broker takes the new user in."""
    for _ in range(40):
        with Client(port, user, password, client_id) as client:
            if not client.refused:
                yield client
                return
        time.sleep(0.25)
    raise AssertionError(f"the broker does not let {user} in")


def test_enrolment_token_is_good_once_and_names_are_not_taken_over(controller: Running, cluster: Cluster) -> None:
    client = controller.client()
    one_time = cluster.admin.add_enrol_token(Place("an-phu"), 1, 60_000)

    taken = client.post("/api/v1/enrol", json={"token": one_time, "agent": "pc-1"})
    assert taken.status_code == 409
    assert client.post("/api/v1/enrol", json={"token": one_time, "agent": "pc-2"}).status_code == 201, "not used up"
    assert client.post("/api/v1/enrol", json={"token": one_time, "agent": "pc-3"}).status_code == 403
    assert client.post("/api/v1/enrol", json={"token": one_time, "agent": "../x"}).status_code == 422


# quarantine


def test_quarantine_shows_a_technician_what_was_not_taken(
    controller: Running, speaker: Speaker, token: str, schema: dict[str, Any]
) -> None:
    client = controller.bearer(token)
    speaker.client.say(speaker.address.topic(Channel.REPORT), b'{"nonsense": NaN\0')

    eventually(lambda: client.get("/api/v1/quarantine").json()["items"], "an entry")
    body = client.get("/api/v1/quarantine").json()

    check(schema, "/api/v1/quarantine", body)
    entry = body["items"][0]
    assert entry["school"] == "an-phu"
    assert entry["content"] == '{"nonsense": NaN\\0'
    assert sum(body["counts"].values()) >= 1
    assert entry["reason"] in body["counts"]


# the document, and those who watch


def test_openapi_document_is_whole(schema: dict[str, Any]) -> None:
    text = json.dumps(schema)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in schema["components"]["schemas"]
    for each in schema["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(each)
    assert schema["openapi"].startswith("3.")
    wanted = ("devices", "devices/{device_id}", "devices/{device_id}/series/{metric}", "stream", "enrol", "quarantine")
    assert {f"/api/v1/{name}" for name in wanted} <= set(schema["paths"])
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation["responses"], (path, method)
            if path not in (
                "/healthz",
                "/readyz",
                "/api/v1/enrol",
                "/api/v1/files/{digest}",
                "/api/v1/renewals/{number}",
                "/api/v1/enrol/reclaim",
                "/api/v1/files/{digest}",
                "/metrics",
            ):
                assert "401" in operation["responses"], path
                assert "403" in operation["responses"], path
                assert operation["security"], path


def test_health_and_readiness_name_each_part(controller: Running) -> None:
    client = controller.client()

    assert client.get("/healthz").json() == {"status": "ok"}
    eventually(lambda: client.get("/readyz").status_code == 200, "ready")
    assert client.get("/readyz").json() == {"database": True, "broker": True, "writer": True}


def test_metrics_are_in_the_format_that_prometheus_reads(controller: Running, speaker: Speaker) -> None:
    answer = controller.client().get("/metrics")

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert answer.headers["content-type"].startswith("text/plain")
    states = {sample.labels["state"]: sample.value for sample in families["fabfleet_devices"].samples}
    assert states["ok"] == 3
    assert set(states) == {"fault", "offline", "warning", "maintenance", "planned-off", "in-use", "ok"}
    assert families["fabfleet_ingest_values"].samples[0].value >= 4
    assert families["fabfleet_broker_connected"].samples[0].value == 1
    dropped = {sample.labels["tier"]: sample.value for sample in families["fabfleet_history_dropped"].samples}
    assert dropped == {"rows": 0, "5min": 0, "1h": 0, "archive": 0}


# the stream


def test_stream_tells_everything_first_and_then_what_changes(controller: Running, speaker: Speaker, token: str) -> None:
    client = controller.bearer(token)
    with client.stream("GET", "/api/v1/stream") as answer:
        events = Events(answer)
        name, snapshot = events.next()
        assert name == "snapshot"
        assert snapshot["broker"] is True
        devices = snapshot["devices"]
        assert isinstance(devices, list)
        assert len(devices) == 3

        speaker.reports("b2", 260.5)
        rows = [row for row in rows_of(events.until("delta")) if row[2] == 260.5]

    ((device, state, value, heard),) = rows
    assert (state, value) == ("ok", 260.5)
    assert heard > snapshot["at"]
    assert device in [row[0] for row in devices]


def rows_of(frame: dict[str, object]) -> list[list[Any]]:
    rows = frame["devices"]
    assert isinstance(rows, list)
    return rows


def states_become(state: str, events: Events) -> None:
    """Read on until all three devices were told to be in `state`."""
    known: dict[int, str] = {}
    while list(known.values()) != [state] * 3:
        known.update({row[0]: row[1] for row in rows_of(events.until("delta"))})


def test_stream_beats_when_there_is_nothing_to_tell(controller: Running, speaker: Speaker, token: str) -> None:
    with controller.bearer(token).stream("GET", "/api/v1/stream") as answer:
        events = Events(answer)
        events.until("snapshot")

        beat = events.until("beat")

    assert set(beat) == {"at"}


def test_stream_tells_all_values_of_one_device(controller: Running, speaker: Speaker, token: str) -> None:
    client = controller.bearer(token)
    found = client.get("/api/v1/devices?q=máy in a1").json()["items"][0]["id"]
    with client.stream("GET", f"/api/v1/stream?device={found}") as answer:
        events = Events(answer)
        first = events.until("device")
        speaker.reports("a1", 22.75)
        second = events.until("device")

    assert (first["id"], second["id"]) == (found, found)
    assert isinstance(second["values"], dict)
    assert second["values"]["nozzle-temperature"][1:] == [22.75, "good"]


def test_stream_says_what_an_agent_lost_and_found(controller: Running, speaker: Speaker, token: str) -> None:
    client = controller.bearer(token)
    with client.stream("GET", "/api/v1/stream") as answer:
        events = Events(answer)
        events.until("snapshot")

        speaker.lists("a1", "b2", "c3", state=BridgeState.LOST, detail="cable out")
        states_become("offline", events)
        body = client.get("/api/v1/devices?limit=1").json()["items"][0]
        assert [(each["code"], each["detail"]) for each in body["reasons"]] == [("device-lost", "cable out")]

        speaker.lists("a1", "b2", "c3")
        states_become("ok", events)


def test_stream_says_within_seconds_that_the_broker_is_gone_and_that_it_is_back(
    controller: Running, token: str
) -> None:
    with controller.bearer(token).stream("GET", "/api/v1/stream") as answer:
        events = Events(answer)
        assert events.until("snapshot")["broker"] is True

        controller.stop_broker()

        assert broker_word(events) is False
        assert broker_word(events) is True


def broker_word(events: Events) -> object:
    """The next word about the broker, which must come within 5 s of stream."""
    for _ in range(25):
        _, frame = events.next()
        if "broker" in frame:
            return frame["broker"]
    raise AssertionError("the stream says nothing about the broker")
