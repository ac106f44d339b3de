"""The HTTP interface keeps to its own document, whoever asks and whatever they send."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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

from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from tests.integration.bookable import Furnished, furnished
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
    "nobody": "",
}
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


def known(controller: Running, place: Furnished) -> Mapping[str, list[Any]]:
    """What there is, by the name of its parameter: else hardly anything that is asked for would be found."""
    return {
        "resource": sorted(place.things.values()),
        "class_name": ["printer-3d", "laser"],
        "school": ["an-phu", "binh-minh"],
        "device_id": [1, 2],
        "scope": ["cluster", "school-an-phu", "room-1", "agent-1"],
    }


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_one_that_the_document_has(controller: Running, place: Furnished, role: str, mode: str) -> None:
    examine(controller, place, role, mode, AT_CI)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_one_that_the_document_has_at_full_size(
    controller: Running, place: Furnished, role: str, mode: str
) -> None:
    examine(controller, place, role, mode, AT_FULL_SIZE)


def examine(controller: Running, place: Furnished, role: str, mode: str, examples: int) -> None:
    """Ask every operation so many times; tell all that went wrong, a line each."""
    admin = Admin(controller.services.engine, quick(), wall_ms)
    login = ROLES[role]
    headers = {"Authorization": f"Bearer {admin.add_api_token(login, 'schema', None)}"} if login else {}
    schema = schemathesis.openapi.from_dict(controller.app.openapi())
    there, wrong = known(controller, place), []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # the document is sound, else this fails
        if operation.path == ENDLESS or (mode == "negative" and not _takes_anything(operation)):
            continue
        try:
            ask(operation, mode, examples, there, controller.url, headers)
        except BaseExceptionGroup as group:
            wrong += [f"{operation.label}: {each}" for each in group.exceptions]
        except AssertionError as error:
            wrong.append(f"{operation.label}: {error}")
    assert not wrong, "\n".join(wrong)


def _takes_anything(operation: Any) -> bool:
    """Whether there is something in a request that could be wrong."""
    return any((operation.path_parameters, operation.query, operation.headers, operation.body))


def ask(
    operation: Any, mode: str, examples: int, there: Mapping[str, list[Any]], url: str, headers: Mapping[str, str]
) -> None:
    way = schemathesis.GenerationMode(mode)

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
        response = case.call(base_url=url, headers=dict(headers), timeout=20)
        case.validate_response(response, checks=CHECKS)

    asked()
