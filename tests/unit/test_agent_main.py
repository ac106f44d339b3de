"""The agent as a whole, in this process: what its beat looks after."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.config import load_config
from agent.leases import NO_BOOK, Edition
from agent.main import Agent
from contract.lease import sign
from contract.messages import LeaseBook

KEY = b"0123456789abcdef"


@pytest.fixture(name="agent")
def _agent(tmp_path: Path) -> Iterator[Agent]:
    (tmp_path / "agent.toml").write_text('school = "school"\nagent = "agent"\n[broker]\nport = 1\n')
    (tmp_path / "credentials.json").write_text(json.dumps({"password": "p", "lease_key": KEY.hex()}))
    agent = Agent(load_config(tmp_path / "agent.toml", tmp_path), Clock())
    yield agent  # not started: nothing but the test wakes or writes
    agent._control.stop()
    agent.outbox.close()


def test_beat_writes_a_lease_book_that_the_disk_did_not_take_and_wakes_the_uplink_for_it(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[Edition] = []

    def full(_path: Path, _content: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(agent.uplink, "wake", lambda: woken.append(agent._leases.held()))
    with monkeypatch.context() as disk:
        disk.setattr("agent.leases.replace_file", full)
        agent._take_leases(sign(LeaseBook("school/agent", 1, 1, 0), KEY))
        agent.beat()
        assert agent._leases.held() == NO_BOOK
    agent.beat()
    assert Edition(1, 1) in woken
    del woken[:]
    agent.beat()
    assert woken == []
