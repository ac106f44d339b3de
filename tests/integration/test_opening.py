"""A controller of one machine is opened to the network of its school by docs/install.md: its first agent goes along."""

import re
from contextlib import suppress
from pathlib import Path

import pytest

from agent.batches import BatchState
from controller.main import wall_ms
from tests.integration.mqtt import eventually
from tests.integration.running import free_port
from tests.integration.site import PATIENCE_S, SCHOOL, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

GUIDE = Path(__file__).parents[2] / "docs" / "install.md"


def test_first_agent_is_brought_along_by_the_documented_step_and_loses_nothing(tmp_path: Path) -> None:
    step = re.search(r"fabfleet-agent enrol (https://127\.0\.0\.1):8080 ", GUIDE.read_text("utf-8"))
    assert step, "the guide says so"
    ports = {"FABFLEET_BROKER_PORT": str(free_port()), "FABFLEET_BROKER_TLS_PORT": str(free_port())}
    site = Site(tmp_path, 1, ports)
    with site.serving():
        port = site.port
        assert site.url.startswith("http://")
        site.enrol(site.url, site.fabfleet("enrol-token", "--school", SCHOOL))
        with site.sending():
            eventually(lambda: site.all_are("login_number = 0"), "it is there", PATIENCE_S)
    before = site.rows("SELECT id, name, instance FROM agent")

    site.environment["FABFLEET_HOST"] = "0.0.0.0"
    with site.serving(port):
        assert site.url == f"https://127.0.0.1:{port}"
        with site.sending():
            eventually(lambda: fresh(site), "what it measures meanwhile waits on its disk", PATIENCE_S)
            site.enrol(f"{step[1]}:{port}", site.fabfleet("enrol-token", "--school", SCHOOL))
        waiting = fresh(site)
        assert waiting
        with site.sending():
            eventually(lambda: site.all_are(f"since_ms > {wall_ms() - 60_000}"), "it is back", PATIENCE_S)
            eventually(lambda: not waiting & fresh(site), "all of it is told", PATIENCE_S)
            assert "server   online" in site.agent(0, "status")
            eventually(lambda: is_well(site), "doctor finds no fault, once the devices are open", PATIENCE_S)
    assert site.rows("SELECT id, name, instance FROM agent") == before
    assert site.fabfleet("verify")


def is_well(site: Site) -> bool:
    with suppress(AssertionError):
        return bool(site.agent(0, "doctor"))
    return False


def fresh(site: Site) -> set[tuple[str, int]]:
    """Epoch and number of the batches that nobody has acknowledged yet."""
    return {(epoch, number) for epoch, number, state, _ in site.outbox(0) if state != BatchState.ACKED}
