"""Everything that can be rotated is, while four real agents send: nothing that they produced is missing afterwards."""

import ssl
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from agent.batches import BatchState
from agent.config import load_config
from contract.messages import Report
from contract.wire import decode
from controller.tls.authority import anchor, make_authority, signed_by
from controller.tls.store import AUTHORITY, NEXT, SERVER
from tests.integration.mqtt import Client, eventually
from tests.integration.proxy import proxied
from tests.integration.site import PATIENCE_S, SCHOOL, Site
from tests.tls import now, signed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

AGENTS = 4
HERE = {"FABFLEET_OWN_TLS": "true", "FABFLEET_BROKER_TLS_PORT": "0"}
BEHIND = {"FABFLEET_BROKER_HOST": "0.0.0.0", "FABFLEET_BROKER_TLS_PORT": "0", "FABFLEET_PROXIES": "127.0.0.1"}


@pytest.fixture(params=["here", "behind a proxy"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """TLS of the pages is the controller's, or that of a proxy before it, with a certificate that is not ours."""
    behind = request.param != "here"
    site = Site(tmp_path, AGENTS, BEHIND if behind else HERE)
    with site.serving(), ExitStack() as stack:
        url, token = site.url, site.fabfleet("enrol-token", "--school", SCHOOL, "--uses", str(AGENTS))
        if behind:
            authority = make_authority(now())
            url = stack.enter_context(proxied(site.port, signed(authority), tmp_path / "proxy"))
            token = f"{token}.{anchor(authority.certificate).fingerprint}"
            check_marked(url, anchor(authority.certificate).pem)
        site.enrol(url, token)
        with site.sending():
            eventually(lambda: site.all_are("login_number = 0"), "all agents are there", PATIENCE_S)
            yield site
            made = batches(site, (BatchState.FRESH, BatchState.ATTEMPTED, BatchState.ACKED))
            eventually(
                lambda: made <= batches(site, (BatchState.ACKED,)), "all that was produced is acknowledged", PATIENCE_S
            )
        proven(site)
    assert site.fabfleet("verify")


def check_marked(url: str, authority: str) -> None:
    """People who come through the proxy come by HTTPS, and their cookies stay there."""
    with httpx.Client(base_url=url, verify=ssl.create_default_context(cadata=authority)) as browser:
        answer = browser.get("/signin")
    assert answer.headers["strict-transport-security"]
    assert "; Secure" in answer.headers["set-cookie"]


def welcome(site: Site, port: int, user: str, password: str) -> bool:
    """Whether the broker lets in who comes with that."""
    trusting = ssl.create_default_context(cadata=site.store.bundle())
    with Client(port, user, password, "rotated", tls=trusting) as client:
        return not client.refused


def batches(site: Site, states: Collection[BatchState]) -> set[tuple[int, str, int]]:
    """(agent, epoch, number) of those on the agents' disks."""
    return {
        (agent, epoch, number)
        for agent in range(AGENTS)
        for epoch, number, state, _ in site.outbox(agent)
        if state in states
    }


def proven(site: Site) -> None:
    """What each agent has on its own disk is in the controller's tables, each reading once."""
    stored: set[tuple[object, ...]] = set()
    for (table,) in site.rows("SELECT name FROM sqlite_master WHERE name GLOB 'reading_*'"):
        found = site.rows(
            f"SELECT agent.name, device.slug, metric, at_ms FROM {table} JOIN series ON series.id = series"
            " JOIN device ON device.id = device_id JOIN agent ON agent.id = agent_id"
        )
        assert not stored & set(found)
        stored |= set(found)
    for number in range(AGENTS):
        said = set()
        for _, _, state, payload in site.outbox(number):
            if state != BatchState.ACKED:
                continue  # the farewell's own, after the controller had heard all else
            report = decode(Report, payload)
            said |= {
                (f"desk-{number}", device, metric, report.base_ms + dt)
                for device, metrics in report.series.items()
                for metric, points in metrics.items()
                for dt, _ in points
            }
        assert said
        assert said <= stored


def test_everything_is_rotated_while_agents_send(site: Site) -> None:
    config = load_config(site.folder(0) / "agent.toml", site.folder(0), {})
    broker, at_first = config.broker.port, [site.credentials(number) for number in range(AGENTS)]
    own_pages = site.url.startswith("https://")

    # credentials: password, user name and lease key
    assert f"{AGENTS} agents are asked" in site.fabfleet("renew")
    eventually(lambda: site.all_are("login_number = 1"), "all use their new credentials", PATIENCE_S)
    assert site.rows("SELECT count(*) FROM renewal") == [(0,)]
    eventually(
        lambda: not any(welcome(site, broker, old.user, old.password) for old in at_first),
        "the old ones are good no more",
    )

    # the server's certificate
    before = ssl.get_server_certificate(("127.0.0.1", broker))
    site.store.file(SERVER).unlink()
    ports = (broker, site.port) if own_pages else (broker,)
    for port in ports:
        eventually(lambda port=port: ssl.get_server_certificate(("127.0.0.1", port)) != before, "it is another one")  # type: ignore[misc]

    # the authority
    old = site.store.anchor()
    new = site.fabfleet("ca", "rotate").split()[0]
    eventually(lambda: site.all_are(f"trusted = '{new}'"), "all trust the new authority", PATIENCE_S)
    eventually(lambda: site.store.read(NEXT) is None, "it takes over", PATIENCE_S)
    assert site.fabfleet("ca", "fingerprint") == new
    authority = site.store.read(AUTHORITY)
    assert authority is not None
    for port in ports:
        eventually(
            lambda port=port: signed_by(
                ssl.get_server_certificate(("127.0.0.1", port)).encode(), authority.certificate
            ),  # type: ignore[misc]
            "the server's certificate is of the new authority",
        )
    eventually(lambda: site.all_are("login_number = 3"), "all were told to forget the old one", PATIENCE_S)
    for number in range(AGENTS):
        trusted = (site.folder(number) / "ca.pem").read_text()
        assert trusted.count("BEGIN CERTIFICATE") == 1
        assert anchor(trusted.encode()).fingerprint == new
    assert old is not None
    assert old.fingerprint != new
