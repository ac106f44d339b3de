"""What is kept of a person is given out whole, and erased: from the pages, from the command line, on both databases."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from controller.cli import main as fabfleet
from controller.database import metadata
from controller.fleet.tables import Agent, Device
from controller.identity import store
from controller.identity.sealer import Sealer
from controller.identity.tables import ApiToken
from controller.identity.verify import main as verify_audit
from controller.jobs.tables import JobFile, JobStep, PrintJob
from controller.main import wall_ms
from controller.privacy.dossier import dossier
from controller.privacy.erasure import Eraser, NoSuchPerson
from controller.privacy.register import REGISTER, Kind
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.feeds import Feeds
from controller.scheduling.tables import Notice
from controller.scheduling.verify import main as verify_bookings
from controller.web.i18n import language
from controller.web.privacy_view import kept_words
from tests.integration.bookable import HERE, Furnished, furnished, populated, school_day, span
from tests.integration.running import Running, csrf_of, running

pytestmark = pytest.mark.integration
NAME, SAID = "Person ha", "ngôi sao cho em bé"


def live(place: Furnished) -> str:
    """Have `ha` leave something in every table that may tell of a person; who that is."""
    ha, lan = place.person("ha"), place.person("lan")
    bookings, day = Bookings(place.engine, wall_ms), school_day(3)
    for lesson in (1, 3):
        at = span(place.engine, day, lesson, lesson + 1)
        item, adults = place.item("3D-01"), (ha.id,)
        bookings.book(
            Request(
                HERE, ha.id, lan.id, (item,), at.start, at.stop, title="8A1", purpose=SAID, supervisors=adults, key="k"
                if lesson == 1 else None,
            )
        )  # fmt: skip
    Feeds(place.engine, wall_ms).make(ha)
    with Session(place.engine) as db:
        store.add_session(db, ha.id, "s" * 43, shared_machine=False, now_ms=wall_ms(), expires_ms=wall_ms() + 10**9)
        store.add_api_token(db, user_id=ha.id, name=SAID, token="t", now_ms=1, expires_ms=None)
        store.audit(db, wall_ms(), "sign-in", actor=ha.id, school_id=HERE, address="10.1.2.3")
        db.add(Notice(school_id=HERE, user_id=ha.id, at_ms=1, kind="booking-moved", detail={"thing": "x"}))
        db.add(Notice(school_id=HERE, at_ms=1, kind="problem", detail={"by": ha.name, "text": "kẹt nhựa"}))
        db.commit()
    return ha.id


def add_printer(engine: Engine) -> None:
    with Session(engine) as db:
        db.add(Agent(id=1, school_id=HERE, name="pc-1"))
        db.flush()
        db.add(Device(id=1, school_id=HERE, agent_id=1, slug="p", name="P", profile_slug="p", profile_digest=""))
        db.commit()


def add_job(engine: Engine, person: str, device: int) -> None:
    with Session(engine) as db:
        db.add(JobFile(digest="d" * 64, size=1, created_ms=1))
        db.flush()
        job = PrintJob(school_id=HERE, device_id=device, digest="d" * 64, file_name="em bé.gcode", title=SAID,
                       by_id=person, created_ms=1, state="returned", state_ms=1, detail=SAID)  # fmt: skip
        db.add(job)
        db.flush()
        db.add(JobStep(job_id=job.id or 0, at_ms=1, kind="returned", by_id=person, detail=SAID))
        db.commit()


def everything(engine: Engine) -> str:
    """All that is in the tables."""
    with engine.connect() as connection:
        return "\n".join(str(row) for table in metadata().sorted_tables for row in connection.execute(table.select()))


def test_person_is_exported_whole_and_erased_everywhere(
    either_database: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = either_database
    place = populated(engine)
    person = live(place)
    add_printer(engine)
    add_job(engine, person, 1)
    Sealer(engine, wall_ms).turn()

    given = json.loads(dossier(engine, person, 7))
    held: dict[str, Any] = given["holdings"]
    assert {"user_account", "user_session", "api_token", "booking", "booking_supervisor", "held_certificate", "notice",
            "calendar_feed", "print_job", "job_step", "audit_line"} <= held.keys()  # fmt: skip
    assert held["user_account"]["rows"][0]["name"] == NAME
    assert [row["purpose"] for row in held["booking"]["rows"]] == [SAID, SAID]
    assert held["booking"]["purpose"]
    secrets = {name for each in REGISTER.values() for name in each.of(Kind.SECRET)}
    assert not secrets & {column for each in held.values() for row in each["rows"] for column in row}

    lan = place.person("lan").id
    Eraser(engine, wall_ms).erase(person, by=lan, address="10.0.0.9")

    left = everything(engine)
    assert NAME not in left
    assert SAID not in left
    assert "em bé" not in left
    with Session(engine) as db:
        assert store.owner_of_api_token(db, "t") is None
        assert store.session(db, "s" * 43, wall_ms()) is None
        assert db.get(ApiToken, "t") is None
        lines = store.audit_lines(db)
        assert [(line.actor, line.address) for line in lines if line.action == "user-erase"] == [(lan, "10.0.0.9")]
        assert sum(line.action == "booking-end" and line.actor == lan for line in lines) == 2
        states = db.connection().execute(text("SELECT state, holder FROM booking")).all()
    assert [tuple(row) for row in states] == [("cancelled", person)] * 2
    assert json.loads(dossier(engine, person, 7))["holdings"]["booking"]["rows"][0]["title"] == ""
    with pytest.raises(NoSuchPerson):
        Eraser(engine, wall_ms).erase(person)
    assert (verify_audit(engine), verify_bookings(engine, wall_ms)) == (0, 0), capsys.readouterr().out


def test_pages_name_every_kind_of_row_there_may_be_of_a_person() -> None:
    personal = {name for name, each in REGISTER.items() if each.of(Kind.PERSON)}
    assert set(kept_words(language("en"))) == personal


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("privacy") / "state"


@pytest.fixture(scope="module")
def controller(state: Path) -> Iterator[Running]:
    live(furnished(state))
    with running(state) as one:
        yield one


def id_of(controller: Running, login: str) -> str:
    with Session(controller.services.engine) as db:
        found = store.user_by_login(db, login)
        assert found is not None
        return found.id


def erase(browser: httpx.Client, person: str, login: str) -> httpx.Response:
    return browser.post(f"/privacy/people/{person}/erase", data={"csrf": csrf_of(browser), "login": login})


def test_person_sees_and_takes_away_what_is_kept(controller: Running) -> None:
    ha = controller.signed_in("ha")
    ha.cookies.set("fabfleet_lang", "en")
    page = ha.get("/privacy").text
    assert "Bookings held, made or checked in" in page
    assert "/privacy/people" not in page
    answer = ha.get("/privacy/export")
    assert json.loads(answer.text)["person"] == id_of(controller, "ha")
    assert "attachment" in answer.headers["content-disposition"]
    other = id_of(controller, "duc")
    for path in ("/privacy/people", f"/privacy/people/{other}", f"/privacy/people/{other}/export"):
        assert ha.get(path).status_code == 403
    assert erase(ha, other, "duc").status_code == 403


def test_administrator_exports_and_erases_others_and_who_is_erased_is_out(controller: Running) -> None:
    tri, duc = controller.signed_in("tri"), controller.signed_in("duc")
    tri.cookies.set("fabfleet_lang", "en")
    person, mine = id_of(controller, "duc"), id_of(controller, "tri")
    assert "Person duc" in tri.get("/privacy/people").text
    assert json.loads(tri.get(f"/privacy/people/{person}/export").text)["person"] == person

    refused = erase(tri, person, "ha")
    assert refused.status_code == 422
    assert "This is not the login of the person." in refused.text
    assert erase(tri, mine, "tri").status_code == 422
    assert duc.get("/privacy").status_code == 200

    done = erase(tri, person, " Duc ")
    assert (done.status_code, done.headers["location"]) == (303, "/privacy/people?erased=yes")
    assert duc.get("/privacy").status_code == 303
    assert "Person duc" not in tri.get("/privacy/people?erased=yes").text
    assert erase(tri, person, "duc").status_code == 404
    log = tri.get("/audit", params={"what": "user-erase"}).text
    assert "Person erased" in log
    assert "erased person" in log
    assert "Person duc" not in log


def test_command_line_exports_and_erases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    furnished(tmp_path / "state").engine.dispose()
    where = ["--state", str(tmp_path / "state")]
    assert fabfleet(["user", "export", "ha", *where]) == 0
    assert json.loads(capsys.readouterr().out)["holdings"]["user_account"]["rows"][0]["login"] == "ha"
    with pytest.raises(SystemExit):
        fabfleet(["user", "erase", "ha", *where])
    assert fabfleet(["user", "erase", "ha", "--yes", *where]) == 0
    capsys.readouterr()
    assert fabfleet(["user", "list", *where]) == 0
    assert NAME not in capsys.readouterr().out
    assert fabfleet(["user", "erase", "ha", "--yes", *where]) == 1
    assert "no account ha" in capsys.readouterr().err
