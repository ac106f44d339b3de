"""The audit log as administrators search it and take it away, on a running controller with both schools."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session

from controller.identity import store
from controller.identity.admin import NewUser
from controller.identity.policy import Role
from controller.identity.sealer import Sealer
from controller.main import wall_ms
from tests.integration.running import PASSWORD, Cluster, Running, running, seed

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    made = seed(tmp_path_factory.mktemp("audit") / "state")
    made.admin.add_user(NewUser("an", "Trần Thị Ân", Role.ADMINISTRATOR, "an-phu"), PASSWORD)
    return made


@pytest.fixture(scope="module")
def controller(cluster: Cluster) -> Iterator[Running]:
    state = Path(str(cluster.admin._engine.url.database)).parent.parent
    with running(state) as one:
        for login in ("ha", "minh", "an", "ha", "ha"):
            one.signed_in(login)
        Sealer(one.services.engine, wall_ms).turn()
        yield one


@pytest.fixture
def tri(controller: Running) -> httpx.Client:
    """Administers the cluster; reads English."""
    browser = controller.signed_in("tri")
    browser.cookies.set("fabfleet_lang", "en")
    return browser


def rows(browser: httpx.Client, **query: str) -> list[list[str]]:
    """The cells of each line that the page shows."""
    answer = browser.get("/audit", params=query)
    assert answer.status_code == 200, answer.text[:300]
    body = answer.text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in body.split("</tr>") if "<t" in row]


def test_log_is_for_administrators_and_each_sees_their_school(controller: Running, tri: httpx.Client) -> None:
    for login in ("ha", "ky"):
        browser = controller.signed_in(login)
        assert browser.get("/audit").status_code == 403
        assert browser.get("/audit.csv").status_code == 403
        assert 'href="/audit"' not in browser.get("/", follow_redirects=True).text
    assert {row[1] for row in rows(tri)} >= {"Person ha", "Person minh", "Trần Thị Ân"}
    an = controller.signed_in("an")
    assert {row[1] for row in rows(an)} == {"–", "Person ha", "Trần Thị Ân"}
    assert "binh-minh" not in an.get("/audit.jsonl").text


def test_log_is_searched_by_who_what_subject_school_and_day(tri: httpx.Client) -> None:
    assert {row[1] for row in rows(tri, who="tran an")} == {"Trần Thị Ân"}
    assert {row[2] for row in rows(tri, what="sign-in")} == {"Signed in"}
    assert {row[5] for row in rows(tri, what="sign-in")} == {"127.0.0.1"}
    assert {row[3] for row in rows(tri, subject="person MINH")} == {"Person minh"}
    assert {row[4] for row in rows(tri, school="binh-minh")} == {"THPT Bình Minh"}
    assert rows(tri, to="2020-01-01") == []
    assert len(rows(tri, **{"from": "2020-01-01", "to": "9999-12-31"})) > 5
    assert rows(tri, who="' OR 1=1 --") == []
    assert "Signed in" not in tri.get("/audit", params={"who": "nobody", "lang": "vi"}).text.partition("<table")[2]
    assert "Đã đăng nhập" in tri.get("/audit", params={"lang": "vi"}).text


def test_log_is_read_page_by_page(controller: Running, tri: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.web.audit_pages.PAGE", 4)
    seen: list[str] = []
    address = "/audit?what=sign-in"
    while address:
        text = tri.get(address).text
        shown = text.partition("<tbody>")[2].count("</tr>")
        assert 1 <= shown <= 4
        seen += ["line"] * shown
        link = re.search(r'href="([^"]*)" rel="next"', text)
        address = link[1].replace("&amp;", "&") if link else ""
    assert len(seen) == len(rows_all(tri)) > 4


def rows_all(browser: httpx.Client) -> list[dict[str, str]]:
    text = browser.get("/audit.csv", params={"what": "sign-in"}).text
    return list(csv.DictReader(io.StringIO(text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}"))))


def test_exports_have_the_hashes_of_the_chain_and_are_told_in_it(controller: Running, tri: httpx.Client) -> None:
    Sealer(controller.services.engine, wall_ms).turn()
    answer = tri.get("/audit.jsonl")
    told = [json.loads(line) for line in answer.text.splitlines()]
    segments = {each["segment"]["number"]: each["segment"] for each in told if "line" not in each}
    assert segments
    for number, segment in segments.items():
        lines = [each["line"] for each in told if each.get("segment") == number and "line" in each]
        text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
        assert hashlib.sha256(text.encode()).hexdigest() == segment["lines_hash"]
        own = "fabfleet audit {number} {from_id} {to_id} {count} {lines_hash} {before}\n".format(**segment)
        assert hashlib.sha256(own.encode()).hexdigest() == segment["seal"]
        if number > 1:
            assert segment["before"] == segments[number - 1]["seal"]

    first = rows_all(tri)[0]
    assert first["who"] == "Person ha"
    assert first["what"] == "Signed in"
    assert first["segment_seal"] == segments[int(first["segment"])]["seal"]
    assert "Person tri" in {row[1] for row in rows(tri, what="audit-export")}
    assert tri.get("/audit.exe").status_code == 404


def test_wrong_search_is_an_answer_and_no_fault(tri: httpx.Client) -> None:
    assert rows(tri, **{"from": "yesterday"}) != []
    assert tri.get("/audit", params={"before": "x"}).status_code == 422
    assert tri.get("/audit", params={"who": "x" * 200}).status_code == 422


def test_export_is_told_without_the_names_it_was_narrowed_by(controller: Running, tri: httpx.Client) -> None:
    """The log keeps its lines for ever, people do not stay in it by name."""
    asked = {"who": "tran an", "subject": "Person minh", "what": "minh", "school": "minh", "from": "2020-01-01"}
    assert tri.get("/audit.csv", params=asked).status_code == 200

    with Session(controller.services.engine) as db:
        told = [line.detail for line in store.audit_lines(db) if line.action == "audit-export"]
    assert told[-1] == "csv who what subject school from"
    assert not any("minh" in detail or "tran" in detail for detail in told)
