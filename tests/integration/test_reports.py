"""What technicians read of use: a machine's bookings today with the right to use it, and the hours of all machines."""

from collections.abc import Iterator

import pytest

from tests.integration.in_use import InUse, in_use

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InUse]:
    with in_use(tmp_path_factory.mktemp("state")) as made:
        yield made


def test_technician_reads_on_a_machines_page_who_has_it_today_and_where_the_lease_is(scene: InUse) -> None:
    page = scene.controller.signed_in("ky").get(f"/devices/{scene.device}", headers={"accept-language": "vi"}).text
    card = page[page.index('id="bookings"') :]
    card = card[: card.index("</section>")]
    assert "8A1" in card
    assert "đã nhận máy lúc" in card
    assert "Quyền dùng máy: Đang chuyển đến máy" in card


def test_teacher_reads_who_has_it_but_not_of_leases(scene: InUse) -> None:
    page = scene.controller.signed_in("ha").get(f"/devices/{scene.device}?lang=en").text
    assert "Bookings today" in page
    assert "8A1" in page
    assert "Right to use" not in page


def test_report_has_the_hours_of_the_week_by_school_and_machine(scene: InUse) -> None:
    browser = scene.controller.signed_in("ky")
    for wanted in ("week", "last-week", "term"):
        answer = browser.get(f"/reports/use?range={wanted}&lang=en")
        assert answer.status_code == 200
    page = browser.get("/reports/use?lang=en").text
    assert "<h1>Use of the machines</h1>" in page
    assert page.count("=3D-01") == 1
    assert browser.get("/reports/use?range=decade").status_code == 422


def test_report_comes_as_csv_that_no_spreadsheet_takes_for_a_formula(scene: InUse) -> None:
    answer = scene.controller.signed_in("ky").get("/reports/use.csv?lang=en")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head, line = answer.text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    assert head == "School,Machine,Booked,Present,Machine has power,Machine working,No-shows"
    school, machine, booked, _present, powered, working, missed = line.split(",")
    assert (machine, booked, powered, working, missed) == ("'=3D-01", "1.00", "", "0.50", "0")
    assert school


def test_teachers_read_no_reports(scene: InUse) -> None:
    assert scene.controller.signed_in("ha").get("/reports/use").status_code == 403
