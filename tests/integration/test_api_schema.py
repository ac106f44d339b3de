"""The HTTP interface keeps to its own document, whoever asks and whatever they send."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlmodel import Session, select

from controller.fleet import keys, renewals
from controller.fleet.enrolment import Place
from controller.fleet.tables import Agent as AgentRow
from controller.fleet.tables import Device
from controller.identity import store
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.jobs.tables import JobFile, PrintJob
from controller.main import wall_ms
from tests.integration.bookable import HERE, Furnished, furnished
from tests.integration.running import PASSWORD, Running, running
from tests.passwords import quick

pytestmark = pytest.mark.integration
ENDLESS = "/api/v1/stream"
"""Its answer never ends by itself; test_api.py reads it."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ROLES: Mapping[str, str] = {
    "teacher": "ha",
    "technician": "ky",
    "coordinator": "lan",
    "administrator": "tri",
    "auditor": "kiem",
    "reader": "tri",
    "nobody": "",
}
READER: Final = "reader"
"""A program with an administrator's token that is for reading only."""
OF_AGENTS: Final = frozenset(
    {
        "POST /api/v1/enrol",
        "POST /api/v1/enrol/reclaim",
        "GET /api/v1/files/{digest}",
        "POST /api/v1/renewals/{number}",
    }
)
KEY, CONTENT = "ab" * 32, b"G28\n"
DIGEST: Final = hashlib.sha256(CONTENT).hexdigest()
AT_CI, AT_FULL_SIZE = 20, 400
"""Examples of each route, role and way: as the document says, and against it."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schema")


@pytest.fixture(scope="module")
def place(state: Path) -> Furnished:
    return furnished(state)


@pytest.fixture(scope="module")
def controller(state: Path, place: Furnished) -> Iterator[Running]:
    assert place.things
    with running(state) as one:
        auditor = NewUser("kiem", "Person kiem", Role.AUDITOR, None)
        Admin(one.services.engine, quick(), wall_ms).add_user(auditor, PASSWORD)
        yield one


@dataclass(frozen=True)
class Program:
    """Whoever sends these headers, and asks everything."""

    headers: Mapping[str, str]

    def asks(self, _operation: str) -> bool:
        return True

    def sign(self, case: Any) -> None:
        pass


@dataclass(frozen=True)
class Agent:
    """Asks at the doors of agents, and proves each time who it is: by a token, by its key, or by its lease key."""

    token: str
    lease_key: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def asks(self, operation: str) -> bool:
        return operation in OF_AGENTS

    def sign(self, case: Any) -> None:
        if isinstance(case.body, dict):
            mine = {"school": HERE, "agent": "pc-8", "key": KEY, "new_key": KEY}
            case.body |= mine if case.path.endswith("/reclaim") else {"token": self.token}
        elif case.path_parameters:
            path = case.path.format_map(case.path_parameters)
            case.headers["authorization"] = (
                f"{keys.SCHEME} {HERE}.pc-1 {keys.proof(self.lease_key, f'{case.method} {path}')}"
            )


def program(controller: Running, role: str) -> Program:
    login, token = ROLES[role], "ff_" + store.new_secret()
    if not login:
        return Program({})
    with Session(controller.services.engine) as db:
        user = store.user_by_login(db, login)
        assert user is not None
        store.add_api_token(
            db, user_id=user.id, name="schema", token=token, now_ms=wall_ms(), expires_ms=None,
            read_only=role == READER,
        )  # fmt: skip
        db.commit()
    return Program({"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def agent(controller: Running) -> Agent:
    """One whose credentials are to be renewed and for which a file was released; another that may reclaim its own."""
    services = controller.services
    admin = Admin(services.engine, quick(), wall_ms)
    token = admin.add_enrol_token(Place(HERE, "p1"), uses=10_000, lasts_ms=86_400_000)
    wanted = {"token": token, "agent": "pc-8", "key": KEY}
    services.enrol_limit.forget("127.0.0.1")  # others have tried many tokens from here
    assert controller.client().post("/api/v1/enrol", json=wanted).status_code == 201
    with Session(services.engine) as db:
        row = db.exec(select(AgentRow).where(AgentRow.school_id == HERE, AgentRow.name == "pc-1")).one()
        assert renewals.ask(db, wall_ms(), HERE, "pc-1") == 1
        printer = Device(
            school_id=HERE, agent_id=row.id or 0, slug="printer", name="Printer", profile_slug="prusa/mk3s",
            profile_digest="x",
        )  # fmt: skip
        db.add(printer)
        db.add(JobFile(digest=DIGEST, size=len(CONTENT), created_ms=wall_ms()))
        db.flush()
        db.add(
            PrintJob(
                school_id=HERE, device_id=printer.id or 0, digest=DIGEST, file_name="a.gcode",
                title="A", by_id="", created_ms=wall_ms(), state="released", state_ms=wall_ms(),
            )
        )  # fmt: skip
        db.commit()
        lease_key = bytes.fromhex(row.lease_key)
    folder = services.config.folder / "files"
    folder.mkdir(exist_ok=True)
    (folder / DIGEST).write_bytes(CONTENT)
    services.live.load()
    return Agent(token, lease_key)


def known(controller: Running, place: Furnished) -> Mapping[str, list[Any]]:
    """What there is, by the name of its parameter: else hardly anything that is asked for would be found."""
    return {
        "resource": sorted(place.things.values()),
        "class_name": ["printer-3d", "laser"],
        "school": ["an-phu", "binh-minh"],
        "device_id": [1, 2],
        "scope": ["cluster", "school-an-phu", "room-1", "agent-1"],
        "digest": [DIGEST],
        "number": [1],
    }


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_one_that_the_document_has(controller: Running, place: Furnished, role: str, mode: str) -> None:
    examine(controller, known(controller, place), program(controller, role), mode, AT_CI)


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_answer_to_an_agent_is_one_that_the_document_has(
    controller: Running, place: Furnished, agent: Agent, mode: str
) -> None:
    answered = examine(controller, known(controller, place), agent, mode, AT_CI)
    if mode == "positive":
        assert {operation for operation, status in answered if status in (200, 201)} == OF_AGENTS, (
            "the proofs were good"
        )


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_one_that_the_document_has_at_full_size(
    controller: Running, place: Furnished, role: str, mode: str
) -> None:
    examine(controller, known(controller, place), program(controller, role), mode, AT_FULL_SIZE)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_answer_to_an_agent_is_one_that_the_document_has_at_full_size(
    controller: Running, place: Furnished, agent: Agent, mode: str
) -> None:
    examine(controller, known(controller, place), agent, mode, AT_FULL_SIZE)


def examine(
    controller: Running, there: Mapping[str, list[Any]], asker: Program | Agent, mode: str, examples: int
) -> set[tuple[str, int]]:
    """Ask every operation so many times; tell all that went wrong, a line each. What was answered, by operation."""
    schema = schemathesis.openapi.from_dict(controller.app.openapi())
    heard: set[tuple[str, int]] = set()
    wrong = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # the document is sound, else this fails
        if (
            not asker.asks(operation.label)
            or operation.path == ENDLESS
            or (mode == "negative" and not _takes_anything(operation))
        ):
            continue
        try:
            heard |= {(operation.label, each) for each in ask(operation, mode, examples, there, controller.url, asker)}
        except BaseExceptionGroup as group:
            wrong += [f"{operation.label}: {each}" for each in group.exceptions]
        except AssertionError as error:
            wrong.append(f"{operation.label}: {error}")
    assert not wrong, "\n".join(wrong)
    return heard


def _takes_anything(operation: Any) -> bool:
    """Whether there is something in a request that could be wrong."""
    return any((operation.path_parameters, operation.query, operation.headers, operation.body))


def ask(
    operation: Any, mode: str, examples: int, there: Mapping[str, list[Any]], url: str, asker: Program | Agent
) -> set[int]:
    """The statuses that were heard."""
    way = schemathesis.GenerationMode(mode)
    heard: set[int] = set()

    @seed(7)
    @settings(
        max_examples=examples,
        derandomize=False,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=way), chosen=st.data())
    def asked(case: Any, chosen: st.DataObject) -> None:
        for given_ones in (case.path_parameters, case.query):
            for name in list(given_ones or {}):
                if name in there and chosen.draw(st.booleans()):
                    given_ones[name] = chosen.draw(st.sampled_from(there[name]))
        asker.sign(case)
        response = case.call(base_url=url, headers=dict(asker.headers), timeout=20)
        heard.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    asked()
    return heard
