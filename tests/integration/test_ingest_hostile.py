"""Whatever comes, it is counted with its reason, nothing else is harmed, and the next good message is stored."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from contract.messages import MAX_PAYLOAD, encode
from contract.topics import Channel
from controller.ingest import quarantine
from controller.ingest.verify import verify
from controller.scope import Scope
from tests.integration.mqtt import eventually
from tests.integration.plant import EPOCH, ME, OTHER, Clock, Plant, batch

pytestmark = pytest.mark.integration


@pytest.fixture(name="plant", scope="module")
def _plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    plant = Plant(Path(tmp_path_factory.mktemp("plant")), Clock())
    plant.enrol(ME, OTHER)
    plant.start()
    with plant.agent() as agent:
        agent.inventory()
        eventually(lambda: plant.rows("SELECT * FROM device"), "the device is known")
    yield plant
    plant.stop()


def sealed(body: bytes) -> bytes:
    """With a digest that is right, as only a faulty agent sends it."""
    return b'{"digest":"' + sha256(body).hexdigest()[:32].encode() + b'",' + body[1:]


_numbers = iter(range(1_000, 10_000))
"""Batch numbers nobody else of this module uses."""


def head(number: int = 0, **more: object) -> bytes:
    """A report with one reading, whose members may be put otherwise."""
    number = number or next(_numbers)
    fields = {
        "epoch": EPOCH,
        "number": number,
        "first": number,
        "count": 1,
        "base_ms": 1,
        "series": {"pc": {"cpu": [[0, 1]]}},
    }
    return json.dumps(fields | more, separators=(",", ":")).encode()


def with_value(text: bytes) -> bytes:
    return head().replace(b"[[0,1]]", b"[[0," + text + b"]]")


def good() -> bytes:
    return encode(batch(next(_numbers), {"pc": {"cpu": [(0, 1.0)]}}))


@dataclass(frozen=True)
class Case:
    """`refused`: its head can be trusted, so its agent is told."""

    name: str
    payload: bytes
    reason: str
    refused: bool = False


CASES = [
    Case("truncated", good()[:-10], "not-json"),
    Case("truncated in a character", sealed(with_value('"Má"'.encode())).split(b"\xa1")[0], "not-json"),
    Case("empty", b"", "not-json"),
    Case("not JSON", b"\x00\xff\x17 hello", "not-json"),
    Case("huge", b'{"x":"' + b"y" * MAX_PAYLOAD + b'"}', "too-large"),
    Case("deeply nested", sealed(head(x=0).replace(b'"x":0', b'"x":' + b"[" * 50_000 + b"]" * 50_000)), "too-deep"),
    Case("deep objects", b'{"series":' * 20_000 + b"1" + b"}" * 20_000, "contract"),
    Case("NaN", sealed(with_value(b"NaN")), "not-json"),
    Case("infinity", sealed(with_value(b"-Infinity")), "not-json"),
    Case("a number beyond all bounds", sealed(with_value(b"1e999")), "contract", refused=True),
    Case("400 digits", sealed(with_value(b"9" * 400)), "contract", refused=True),
    Case("5,000 digits", sealed(with_value(b"9" * 5000)), "contract", refused=True),
    Case("400 digits of a number", sealed(head().replace(b'"count":1', b'"count":' + b"9" * 400)), "contract"),
    Case("NUL in a text", sealed(with_value(b'"a\\u0000b"')), "contract", refused=True),
    Case("half a surrogate pair", sealed(with_value(b'"\\udc00"')), "not-json"),
    Case("half a surrogate pair in a name", sealed(head(series={"\ud800": {"cpu": [[0, 1]]}})), "not-json"),
    Case("invalid UTF-8", sealed(with_value(b'"\xff\xfe"')), "not-json", refused=True),
    Case("a surrogate in UTF-8", sealed(with_value(b'"\xed\xa0\x80"')), "not-json", refused=True),
    Case(
        "invalid UTF-8 where nobody looks", sealed(head(x=0).replace(b'"x":0', b'"x":"\xff"')), "not-json", refused=True
    ),
    Case("a value of no kind", sealed(with_value(b'{"a":1}')), "contract", refused=True),
    Case("a text for a number", sealed(head(base_ms="now")), "contract", refused=True),
    Case("a list of everything", b"[" + b"1," * 1000 + b"1]", "contract"),
    Case("a count that is wrong", sealed(head(count=2)), "contract", refused=True),
    Case(
        "a count nobody believes",
        sealed(head(count=10**12, gaps=[{"from_ms": 0, "to_ms": 1, "count": 10**12 - 1}])),
        "contract",
    ),
    Case(
        "times that do not rise",
        sealed(head(count=2, series={"pc": {"cpu": [[1, 1], [1, 2]]}})),
        "contract",
        refused=True,
    ),
    Case("a text too long", sealed(with_value(b'"' + b"x" * 2000 + b'"')), "contract", refused=True),
    Case("another version", sealed(head(v=2)), "unknown-version", refused=True),
    Case("another version of another shape", sealed(head(v=3, series=[1, 2, 3])), "unknown-version", refused=True),
    Case("no digest", head(), "digest"),
    Case("a wrong digest", sealed(head()).replace(b'"count":1', b'"count":1 '), "digest"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_report_is_counted_with_its_reason_and_a_good_one_right_after_is_stored(plant: Plant, case: Case) -> None:
    before, stored = plant.stats.quarantined[case.reason], len(plant.readings())
    with plant.agent() as agent:
        agent.send(case.payload)
        payload = good()
        agent.send(payload)
        number = int(payload.split(b'"number":')[1].split(b",")[0])
        refused = []
        while True:
            ack = agent.ack()
            refused += [each.reason for each in ack.refused]
            if any(first <= number <= last for first, last in ack.committed):
                break
        assert refused == ([case.reason] if case.refused else [])
    assert plant.stats.quarantined[case.reason] > before
    assert len(plant.readings()) == stored + 1
    [entry] = quarantine.entries(plant.engine, Scope(ME.school), limit=1)
    assert entry.reason == case.reason
    assert entry.content == case.payload[: quarantine.MAX_CONTENT]
    assert entry.size == len(case.payload)
    assert plant.ingest.ready


@pytest.mark.parametrize("channel", [Channel.STATUS, Channel.INVENTORY])
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 60_000,
        b'{"epoch":"x","presence":"gone"}',
        b'{"v":9}',
        b'{"number":' + b"9" * 400 + b"}",
    ],
    ids=["empty", "nothing", "null", "not-utf-8", "deep", "kinds", "version", "digits"],
)
def test_a_bad_status_or_inventory_changes_nothing(plant: Plant, channel: Channel, payload: bytes) -> None:
    before = sum(plant.stats.quarantined.values())
    devices = plant.rows("SELECT * FROM device")
    with plant.agent() as agent:
        agent.client.say(ME.topic(channel), payload)
        eventually(lambda: sum(plant.stats.quarantined.values()) == before + 1, "it is counted")
    assert plant.rows("SELECT * FROM device") == devices


def test_an_inventory_full_of_hostile_names_is_refused_as_a_whole(plant: Plant) -> None:
    devices = plant.rows("SELECT * FROM device")
    with plant.agent() as agent:
        for name in ("../etc", "a b", "A", "", "x" * 64, "'; DROP TABLE device;--"):
            told = {
                "epoch": EPOCH,
                "number": 9,
                "profiles": {"d": {"slug": "s", "name": "n", "metrics": {}}},
                "devices": [{"id": name, "name": "n", "profile": "d", "state": "open"}],
            }
            agent.client.say(ME.topic(Channel.INVENTORY), json.dumps(told).encode())
        before = len(plant.readings())
        agent.send(good())
        eventually(lambda: len(plant.readings()) == before + 1, "the next is stored")
    assert plant.rows("SELECT * FROM device") == devices


def test_what_comes_on_a_topic_of_no_known_agent_is_set_aside(plant: Plant) -> None:
    """The embedded broker lets nobody say these; another broker's permissions may be wrong."""
    before = plant.stats.quarantined["unknown-agent"], plant.stats.quarantined["topic"]
    plant.ingest._heard("ff/1/alpha/stranger/report", good(), False)
    plant.ingest._heard("ff/2/alpha/room-1/report", good(), False)
    plant.ingest._heard("ff/1/alpha/room-1/ack", b"{}", False)
    plant.ingest._heard("ff/1/Al pha/room-1/report", good(), False)
    eventually(lambda: plant.stats.quarantined["unknown-agent"] == before[0] + 1, "the stranger is counted")
    eventually(lambda: plant.stats.quarantined["topic"] == before[1] + 3, "the topics are counted")


def test_quarantine_is_counted_by_reason_and_read_in_scope(plant: Plant) -> None:
    with plant.agent() as agent:
        agent.send(b"not json at all")
        eventually(lambda: quarantine.entries(plant.engine, Scope("alpha"), "not-json"), "it is there")
    [entry] = quarantine.entries(plant.engine, Scope("alpha"), "not-json", limit=1)
    assert entry.id
    assert quarantine.entry(plant.engine, Scope("alpha"), entry.id) is not None
    assert quarantine.entry(plant.engine, Scope("beta"), entry.id) is None
    assert quarantine.entries(plant.engine, Scope("beta")) == []
    assert quarantine.counts(plant.engine, Scope("alpha"))["not-json"] >= 1
    assert quarantine.counts(plant.engine, Scope("beta")) == {}


def test_quarantine_is_bounded(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MAX_ROWS", 5)
    with plant.agent() as agent:
        for number in range(12):
            agent.send(b"junk %d" % number)
        eventually(
            lambda: plant.rows("SELECT content FROM quarantine ORDER BY id DESC LIMIT 1") == [(b"junk 11",)], "all came"
        )
    assert [content for (content,) in plant.rows("SELECT content FROM quarantine ORDER BY id")] == [
        b"junk %d" % number for number in range(7, 12)
    ]


def test_the_ledger_still_balances_after_all_that(plant: Plant) -> None:
    result = verify(plant.engine)
    assert all(epoch.balanced and not epoch.damaged and not epoch.conflicts for epoch in result.epochs)
    assert result.stray_rows == 0
