"""Print jobs over HTTP: files sent in pieces, who may, how much, and what agents fetch."""

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlmodel import Session, select

from agent.download import Source
from agent.errors import NoFile
from agent.job_files import JobFiles, Room
from controller.config import JobsConfig
from controller.database import make_engine
from controller.fleet.enrolment import Credentials
from controller.fleet.tables import Agent, Device
from controller.identity.tables import AuditLine
from tests.integration.mqtt import eventually
from tests.integration.running import Cluster, Running, csrf_of, running, seed, settings
from tests.integration.workshop import GOOD, HOT

pytestmark = pytest.mark.integration
DIGEST = hashlib.sha256(GOOD).hexdigest()
MB = 1_000_000
ROOM = JobsConfig(max_mb=3, school_quota_mb=4, min_free_mb=1)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def cluster(state: Path) -> Cluster:
    """Each school has a printer."""
    made = seed(state)
    engine = make_engine(settings(state).database)
    with Session(engine) as db:
        for agent in db.exec(select(Agent)).all():
            db.add(
                Device(
                    school_id=agent.school_id,
                    agent_id=agent.id or 0,
                    slug="printer",
                    name=f"Máy in {agent.school_id}",
                    profile_slug="prusa/mk3s",
                    profile_digest="d",
                )
            )
        db.commit()
    engine.dispose()
    return made


@pytest.fixture(scope="module")
def controller(state: Path, cluster: Cluster) -> Iterator[Running]:
    with running(state, ROOM) as one:
        yield one


@pytest.fixture
def teacher(controller: Running) -> httpx.Client:
    """A browser with a session, as a page's script uses it."""
    browser = controller.signed_in("ha")
    browser.headers["x-csrf-token"] = csrf_of(browser)
    return browser


@pytest.fixture
def technician(controller: Running, cluster: Cluster) -> httpx.Client:
    """A program with a token, for the other school."""
    return controller.bearer(cluster.admin.add_api_token("minh", "tests", None))


def printer(client: httpx.Client) -> int:
    found: int = client.get("/api/v1/devices").json()["items"][0]["id"]
    return found


def send(client: httpx.Client, content: bytes = GOOD, name: str = "a.gcode", **fields: str) -> httpx.Response:
    files = {"file": (name, content, "image/png")}
    return client.post(f"/api/v1/devices/{printer(client)}/jobs", data=fields, files=files)


def settled(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job once its file was read."""
    eventually(lambda: _job(client, job["id"])["state"] != "checking", "the file is read", 60)
    return _job(client, job["id"])


def _job(client: httpx.Client, job_id: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/v1/jobs/{job_id}").json()
    return found


def stored(state: Path) -> list[str]:
    return sorted(path.name for path in (settings(state).folder / "files").iterdir())


# sending


def test_file_is_sent_read_and_shown(teacher: httpx.Client, state: Path) -> None:
    answer = send(teacher, name="C:\\in 3D\\cầu.gcode", title="Cầu giàn", group="Nhóm 3", digest=DIGEST.upper())

    assert answer.status_code == 201, answer.text
    sent = answer.json()
    assert (sent["file_name"], sent["title"], sent["group"], sent["by"]) == (
        "cầu.gcode",
        "Cầu giàn",
        "Nhóm 3",
        "Person ha",
    )
    job = settled(teacher, sent)
    assert (job["state"], job["size"], [line["kind"] for line in job["log"]]) == (
        "waiting",
        len(GOOD),
        ["sent", "checked"],
    )
    assert job["review"]["hottest_nozzle_c"] == 200.0
    assert DIGEST in stored(state)
    assert job["id"] in [each["id"] for each in teacher.get(f"/api/v1/devices/{job['device']}/jobs").json()["items"]]


def test_fields_may_come_after_the_file(teacher: httpx.Client) -> None:
    body = (
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.gcode"\r\n\r\n' + GOOD + b"\r\n"
        b'--x\r\ncontent-disposition: form-data; name="title"\r\n\r\nSau\r\n--x--\r\n'
    )

    answer = teacher.post(
        f"/api/v1/devices/{printer(teacher)}/jobs",
        content=body,
        headers={"content-type": "multipart/form-data; boundary=x"},
    )

    assert answer.status_code == 201, answer.text
    assert answer.json()["title"] == "Sau"


def test_file_that_asks_for_too_much_is_refused_with_the_line(teacher: httpx.Client) -> None:
    job = settled(teacher, send(teacher, HOT).json())

    assert (job["state"], job["review"]["problems"][0]["code"]) == ("refused", "too-hot")
    assert job["detail"].startswith("line 3: ")


@pytest.mark.parametrize(
    ("content", "name", "status", "code", "told"),
    [
        (b"G28\n" * (MB), "a.gcode", 413, "size", "larger than 3 MB"),
        (b"PK\x03\x04" + bytes(2 * MB), "a.gcode", 422, "type", "unpack it"),
        (b"GCDE" + bytes(2 * MB), "a.bgcode", 422, "type", "export plain .gcode"),
        (b"solid cube\n" * 100_000, "a.gcode", 422, "type", "slice it"),
        (GOOD, "a.stl", 422, "type", "slice it"),
        (b"", "a.gcode", 422, "empty", "empty"),
    ],
)
def test_file_that_is_not_taken_is_answered_with_what_to_do_and_leaves_nothing(
    teacher: httpx.Client, state: Path, content: bytes, name: str, status: int, code: str, told: str
) -> None:
    before = stored(state)

    answer = send(teacher, content, name)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert told in answer.json()["detail"]
    assert stored(state) == before


def test_file_with_another_digest_than_told_is_refused(teacher: httpx.Client) -> None:
    answer = send(teacher, digest="0" * 64)

    assert (answer.status_code, answer.json()["code"]) == (422, "digest")


def test_file_beyond_the_schools_room_is_refused(technician: httpx.Client) -> None:
    assert send(technician, GOOD + b"; one\n" * 400_000).status_code == 201

    answer = send(technician, GOOD + b"; two\n" * 400_000)

    assert (answer.status_code, answer.json()["code"]) == (507, "quota")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\ncontent-disposition: form-data; name=title\r\n\r\na\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"rubbish" * 100, "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (
            b"--x\r\ncontent-disposition: form-data; name=title\r\n\r\n" + b"a" * 5_000 + b"\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_form_that_is_none_is_refused(technician: httpx.Client, state: Path, body: bytes, kind: str) -> None:
    before = stored(state)

    answer = technician.post(
        f"/api/v1/devices/{printer(technician)}/jobs", content=body, headers={"content-type": kind}
    )

    assert answer.status_code == 400, answer.text
    assert stored(state) == before


def test_sender_who_hangs_up_leaves_nothing(controller: Running, technician: httpx.Client, state: Path) -> None:
    before = stored(state)
    begun = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.gcode"\r\n\r\n' + b"G28\n" * 100_000
        eventually(lambda: len(stored(state)) == len(before) + 1, "it is coming in")
        begun.set()
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        technician.post(
            f"/api/v1/devices/{printer(technician)}/jobs",
            content=pieces(),
            headers={"content-type": "multipart/form-data; boundary=x"},
        )

    assert begun.is_set()
    eventually(lambda: stored(state) == before, "it is gone")


# who may


def test_nothing_is_read_of_somebody_who_has_not_signed_in(controller: Running, technician: httpx.Client) -> None:
    """The answer comes while the body is held back: so nobody can fill disk or memory from outside."""
    url = f"/api/v1/devices/{printer(technician)}/jobs"
    answered = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"--x\r\n"
        answered.wait(20)
        yield bytes(1_000)

    client = controller.client()
    client.cookies.clear()
    with client.stream(
        "POST", url, content=_until(pieces, answered), headers={"content-type": "multipart/form-data; boundary=x"}
    ) as answer:
        assert answer.status_code == 401


def _until(pieces: Any, answered: threading.Event) -> Iterator[bytes]:
    threading.Timer(0.5, answered.set).start()
    yield from pieces()


def test_browser_without_the_forms_token_sends_nothing(controller: Running, state: Path) -> None:
    before = stored(state)
    browser = controller.signed_in("ha")

    assert send(browser).status_code == 403
    assert stored(state) == before


def test_machines_of_another_school_are_not_found(teacher: httpx.Client, technician: httpx.Client) -> None:
    theirs = printer(technician)
    files = {"file": ("a.gcode", GOOD)}

    assert teacher.post(f"/api/v1/devices/{theirs}/jobs", files=files).status_code == 404
    assert teacher.get(f"/api/v1/devices/{theirs}/jobs").status_code == 404


def test_other_requests_are_as_small_as_ever(technician: httpx.Client) -> None:
    answer = technician.post("/api/v1/jobs/1/release", content=bytes(100_000))

    assert answer.status_code == 413


# deciding


def test_job_is_released_once_returned_or_cancelled_over_the_api(teacher: httpx.Client, controller: Running) -> None:
    first, second, third = (settled(teacher, send(teacher).json()) for _ in range(3))

    unseen = teacher.post(f"/api/v1/jobs/{first['id']}/release", json={"bed_clear": False})
    released = teacher.post(f"/api/v1/jobs/{first['id']}/release", json={"bed_clear": True})
    again = teacher.post(f"/api/v1/jobs/{first['id']}/release", json={"bed_clear": True})
    other = teacher.post(f"/api/v1/jobs/{second['id']}/release", json={"bed_clear": True})
    returned = teacher.post(f"/api/v1/jobs/{second['id']}/return", json={"why": "mỏng quá"})
    cancelled = teacher.post(f"/api/v1/jobs/{third['id']}/cancel")
    stopping = teacher.post(f"/api/v1/jobs/{first['id']}/cancel")

    assert (unseen.status_code, unseen.json()["code"]) == (409, "bed")
    assert (released.status_code, released.json()["state"]) == (200, "released")
    assert released.json()["command"]["action"] == "print"
    assert (again.status_code, again.json()["code"]) == (409, "state")
    assert (other.status_code, other.json()["code"]) == (409, "machine-busy")
    assert (returned.json()["state"], returned.json()["detail"]) == ("returned", "mỏng quá")
    assert cancelled.json()["state"] == "cancelled"
    assert stopping.json()["log"][-1]["kind"] == "stopping"
    eventually(lambda: _job(teacher, first["id"])["state"] == "cancelled", "it was never sent", 30)
    with Session(controller.services.engine) as db:
        lines = db.exec(select(AuditLine).where(AuditLine.subject == f"job {first['id']}")).all()
        assert [line.action for line in lines] == ["job-send", "job-release", "job-cancel"]
        assert {line.address for line in lines} == {"127.0.0.1"}
        assert not any("ha" in line.detail.split() for line in lines)


@pytest.mark.parametrize("act", ["release", "return", "cancel"])
def test_job_that_there_is_not_is_not_found(teacher: httpx.Client, act: str) -> None:
    answer = teacher.post(f"/api/v1/jobs/999/{act}", json={"bed_clear": True})

    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-job")
    assert teacher.get("/api/v1/jobs/999").status_code == 404


# fetching


def proof(of: Credentials, digest: str) -> dict[str, str]:
    """The header as an agent makes it."""
    key = bytes.fromhex(of.lease_key)
    made = hmac.new(key, f"GET /api/v1/files/{digest}".encode(), hashlib.sha256).hexdigest()
    return {"authorization": f"Fabfleet {of.address.school}.{of.address.agent} {made}"}


@pytest.fixture
def released(teacher: httpx.Client) -> Iterator[str]:
    """The digest of a file whose job was released in the school An Phú."""
    content = GOOD + f"; {time.time_ns()}\n".encode()
    job = settled(teacher, send(teacher, content).json())
    assert teacher.post(f"/api/v1/jobs/{job['id']}/release", json={"bed_clear": True}).status_code == 200
    yield hashlib.sha256(content).hexdigest()
    teacher.post(f"/api/v1/jobs/{job['id']}/cancel")
    eventually(lambda: _job(teacher, job["id"])["state"] == "cancelled", "it is over", 30)


def test_agent_fetches_what_was_released_for_it(controller: Running, cluster: Cluster, released: str) -> None:
    answer = controller.client().get(f"/api/v1/files/{released}", headers=proof(cluster.agents["an-phu"], released))

    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == released
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_agent_and_controller_agree_on_proof_and_answers(
    controller: Running, cluster: Cluster, released: str, tmp_path: Path
) -> None:
    def cache_of(school: str) -> JobFiles:
        known = cluster.agents[school]
        source = Source(controller.url, known.address, bytes.fromhex(known.lease_key))
        return JobFiles(tmp_path / school, source, Room(MB, MB))

    path = cache_of("an-phu").fetch(released, "printer")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == released
    with pytest.raises(NoFile, match="does not have it for this agent"):
        cache_of("binh-minh").fetch(released, "printer")


def test_agent_of_another_school_does_not_find_it(controller: Running, cluster: Cluster, released: str) -> None:
    theirs = proof(cluster.agents["binh-minh"], released)

    assert controller.client().get(f"/api/v1/files/{released}", headers=theirs).status_code == 404


def test_file_that_was_not_released_is_not_found(controller: Running, cluster: Cluster, teacher: httpx.Client) -> None:
    send(teacher)

    answer = controller.client().get(f"/api/v1/files/{DIGEST}", headers=proof(cluster.agents["an-phu"], DIGEST))

    assert answer.status_code == 404


def test_nobody_else_gets_the_file(controller: Running, cluster: Cluster, teacher: httpx.Client, released: str) -> None:
    mine = cluster.agents["an-phu"]
    other_file = proof(mine, DIGEST)
    wrong_name = {"authorization": proof(mine, released)["authorization"].replace("pc-1", "pc-2")}
    for headers in (
        {},
        other_file,
        wrong_name,
        {"authorization": "Fabfleet x"},
        {"authorization": f"Bearer {released}"},
    ):
        assert controller.client().get(f"/api/v1/files/{released}", headers=headers).status_code == 401
    assert teacher.get(f"/api/v1/files/{released}").status_code == 401
    assert controller.client().get("/api/v1/files/../../etc/passwd").status_code in (401, 404)


def test_revoked_agent_proves_nothing(controller: Running, cluster: Cluster, released: str) -> None:
    def revoke(*, revoked: bool) -> None:
        with Session(controller.services.engine) as db:
            agent = db.exec(select(Agent).where(Agent.school_id == "an-phu")).one()
            agent.revoked = revoked
            db.add(agent)
            db.commit()

    revoke(revoked=True)
    try:
        answer = controller.client().get(f"/api/v1/files/{released}", headers=proof(cluster.agents["an-phu"], released))
    finally:
        revoke(revoked=False)

    assert answer.status_code == 401


# memory


def test_memory_stays_flat_while_large_files_come_in(technician: httpx.Client) -> None:
    """Files that are too large are read to their end and thrown away; none is held as a whole."""
    process = psutil.Process(os.getpid())
    body = b"; filling\n" * 100_000
    send(technician, body * 2)
    before = process.memory_info().rss

    def pieces() -> Iterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.gcode"\r\n\r\n'
        for _ in range(8):
            yield body

    for _ in range(10):
        answer = technician.post(
            f"/api/v1/devices/{printer(technician)}/jobs",
            content=pieces(),
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        assert answer.status_code == 413
    assert process.memory_info().rss - before < 30 * MB
