"""Who gets in, and what stays closed: sign-in, forged forms, headers, scopes. A real controller and its broker."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from sqlmodel import Session

from controller.identity import store
from controller.jobs.tables import JobFile, PrintJob
from controller.main import wall_ms
from controller.scope import CLUSTER
from controller.web.access import DOORS, GUEST_COOKIE, PROVIDERS, PUBLIC, RENEWALS, SESSION_COOKIE, is_public
from tests.integration.mqtt import eventually
from tests.integration.running import PASSWORD, Cluster, Running, Speaker, csrf_of, running, seed

pytestmark = pytest.mark.integration
JOB, DIGEST = 77, "ab" * 32


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("access")


@pytest.fixture(scope="module")
def cluster(state: Path) -> Cluster:
    return seed(state)


@pytest.fixture(scope="module")
def controller(state: Path, cluster: Cluster) -> Iterator[Running]:
    """With one device in each school."""
    with running(state) as one:
        speakers = [Speaker(cluster.agents[slug], one.broker_port) for slug in ("an-phu", "binh-minh")]
        for speaker in speakers:
            speaker.__enter__()
            slug = f"may-{speaker.address.school}"
            speaker.lists(slug)
            speaker.reports(slug, 20.0, 21.5)
        eventually(lambda: len(one.services.live.devices(CLUSTER)) == 2, "two devices", 30)
        add_job(one)
        yield one
        for speaker in speakers:
            speaker.__exit__()


def add_job(controller: Running) -> None:
    """A print job of the second school."""
    theirs = next(view for view in controller.services.live.devices(CLUSTER) if view.school_id == "binh-minh")
    job = PrintJob(
        id=JOB,
        school_id="binh-minh",
        device_id=theirs.id,
        digest=DIGEST,
        file_name="Bình.gcode",
        title="THPT Bình Minh",
        by_id="",
        created_ms=wall_ms(),
        state="returned",
        state_ms=wall_ms(),
        ended_ms=wall_ms(),
    )
    with Session(controller.services.engine) as db:
        db.add(JobFile(digest=DIGEST, size=1, created_ms=0))
        db.flush()
        db.add(job)
        db.commit()


def audited(controller: Running, action: str) -> list[tuple[str, str]]:
    """(actor, address) of the audit lines of an action."""
    with Session(controller.services.engine) as db:
        return [(line.actor, line.address) for line in store.audit_lines(db) if line.action == action]


def id_of(controller: Running, login: str) -> str:
    with Session(controller.services.engine) as db:
        user = store.user_by_login(db, login)
        assert user is not None
        return user.id


def routes(controller: Running) -> list[tuple[str, str]]:
    """Every (method, path) there is, with the ids of the second school's things; 1 for what has none here."""
    theirs = next(view for view in controller.services.live.devices(CLUSTER) if view.school_id == "binh-minh")
    known = {
        "device_id": theirs.id,
        "room_id": theirs.room_id,
        "metric": "nozzle-temperature",
        "command_id": "c-theirs",
        "job_id": JOB,
        "digest": DIGEST,
        "code": "XXXXXX",
        "key": "k" * 43,
    }
    filled = defaultdict(lambda: 1, known)
    found = []
    for context in iter_route_contexts(controller.app.routes):
        for method in sorted((context.methods or set()) - {"HEAD"}):
            assert context.path is not None
            found.append((method, context.path.format_map(filled)))
    assert len(found) > 15
    return found


def ask(browser: httpx.Client, method: str, path: str) -> httpx.Response:
    """Ask and read what comes; of a stream only up to the snapshot."""
    with browser.stream(method, path) as answer:
        text = b""
        for part in answer.iter_bytes():
            text += part
            if b"event: snapshot" in text:
                break
        headers = {name: value for name, value in answer.headers.items() if name != "content-encoding"}
        return httpx.Response(answer.status_code, headers=headers, content=text)


# signing in


def test_sign_in_opens_a_session_in_a_guarded_cookie_and_leaves_a_line(controller: Running) -> None:
    browser = controller.client()
    before = len(audited(controller, "sign-in"))
    fields = {"login": "  KY ", "password": PASSWORD, "csrf": csrf_of(browser), "shared": "1", "next": "/devices/7"}

    answer = browser.post("/signin", data=fields)

    assert (answer.status_code, answer.headers["location"]) == (303, "/devices/7")
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "max-age" not in cookie.lower(), "on a shared machine it ends with the browser"
    assert audited(controller, "sign-in")[before:] == [(id_of(controller, "ky"), "127.0.0.1")]
    assert browser.get("/fleet").status_code == 200


def test_sign_in_leads_each_role_to_its_own_page(controller: Running) -> None:
    for login, page in (("ha", "/my"), ("ky", "/fleet"), ("tri", "/fleet")):
        assert controller.signed_in(login).get("/").headers["location"] == page


@pytest.mark.parametrize(("login", "password"), [("ky", "not the password"), ("nobody", PASSWORD), ("", "")])
def test_sign_in_tells_nothing_about_what_was_wrong(controller: Running, login: str, password: str) -> None:
    browser = controller.client()
    before = len(audited(controller, "sign-in-failed"))

    answer = browser.post("/signin", data={"login": login, "password": password, "csrf": csrf_of(browser)})

    assert (answer.status_code, answer.headers["location"]) == (303, "/signin?error=wrong")
    assert SESSION_COOKIE not in browser.cookies
    assert len(audited(controller, "sign-in-failed")) == before + 1


def test_sign_in_is_stopped_for_a_while_after_five_failures(controller: Running) -> None:
    browser = controller.client()
    fields = {"login": "minh", "password": "wrong", "csrf": csrf_of(browser)}
    for _ in range(5):
        assert browser.post("/signin", data=fields).headers["location"] == "/signin?error=wrong"

    fields["password"] = PASSWORD
    answer = browser.post("/signin", data=fields)

    assert answer.headers["location"] == "/signin?error=wait&minutes=5"
    assert SESSION_COOKIE not in browser.cookies
    controller.services.signin.forgive("minh", "127.0.0.1")


def test_sign_in_never_leads_to_another_site(controller: Running) -> None:
    browser = controller.client()
    fields = {"login": "ky", "password": PASSWORD, "csrf": csrf_of(browser), "next": "//evil.example/x"}

    assert browser.post("/signin", data=fields).headers["location"] == "/fleet"


def test_sign_out_ends_the_session_on_the_server(controller: Running) -> None:
    browser = controller.signed_in("ky")
    stolen = browser.cookies[SESSION_COOKIE]

    browser.post("/signout", data={"csrf": csrf_of(browser)})

    answer = controller.client().get("/fleet", headers={"cookie": f"{SESSION_COOKIE}={stolen}"})
    assert answer.status_code == 303
    assert audited(controller, "sign-out")[-1][0] == id_of(controller, "ky")


def test_disabled_account_is_out_at_once(controller: Running, cluster: Cluster) -> None:
    browser = controller.signed_in("tri")
    token = cluster.admin.add_api_token("tri", "program", None)
    assert controller.bearer(token).get("/api/v1/devices").status_code == 200

    cluster.admin.disable("tri", disabled=True)

    assert browser.get("/fleet").status_code == 303
    assert controller.bearer(token).get("/api/v1/devices").status_code == 401
    cluster.admin.disable("tri", disabled=False)
    assert audited(controller, "user-disable")


# forged forms


def test_forms_without_their_token_are_refused_on_every_route(controller: Running) -> None:
    browser = controller.signed_in("ky")
    unsafe = [(method, path) for method, path in routes(controller) if method not in ("GET", "OPTIONS")]
    guarded = [path for _, path in unsafe if path not in DOORS and not path.startswith(RENEWALS)]
    assert {"/signin", "/signout", "/language"} <= set(guarded)

    for path in guarded:
        assert browser.post(path, data={"lang": "en"}).status_code == 403, path
    assert browser.get("/fleet").status_code == 200, "still signed in"


def test_forms_with_the_token_of_another_browser_are_refused(controller: Running) -> None:
    browser, other = controller.signed_in("ky"), controller.signed_in("ha")

    assert browser.post("/signout", data={"csrf": csrf_of(other)}).status_code == 403


def test_sign_in_form_needs_the_token_of_its_own_browser(controller: Running) -> None:
    attacker, victim = controller.client(), controller.client()
    fields = {"login": "ky", "password": PASSWORD, "csrf": csrf_of(attacker)}

    assert victim.post("/signin", data=fields).status_code == 403
    assert "SameSite=Strict" in controller.client().get("/signin").headers["set-cookie"]
    assert GUEST_COOKIE in attacker.cookies


def test_forms_from_another_origin_are_refused_even_with_the_token(controller: Running) -> None:
    browser = controller.signed_in("ky")
    fields = {"csrf": csrf_of(browser), "lang": "en"}

    for origin in ("https://evil.example", "null"):
        assert browser.post("/language", data=fields, headers={"origin": origin}).status_code == 403
    assert browser.post("/language", data=fields, headers={"origin": controller.url}).status_code == 303


def test_scripts_may_send_the_token_in_a_header(controller: Running) -> None:
    browser = controller.signed_in("ky")

    answer = browser.post("/language", data={"lang": "en"}, headers={"x-csrf-token": csrf_of(browser)})

    assert answer.status_code == 303
    assert 'lang="en"' in browser.get("/fleet").text


# what guards every request


def test_every_answer_carries_the_security_headers(controller: Running) -> None:
    browser = controller.signed_in("ky")
    answers = [(path, ask(browser, method, path)) for method, path in routes(controller)]
    answers += [(path, ask(controller.client(), method, path)) for method, path in routes(controller)]
    answers.append(("missing", browser.get("/no/such/page")))
    answers.append(("static", browser.get("/static/app.css")))
    answers.append(("large", browser.post("/signin", content=b"x" * 100_000)))
    answers.append(("foreign", browser.get("/fleet", headers={"host": "evil.example"})))

    for path, answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';"), path
        assert "unsafe" not in answer.headers["content-security-policy"], path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["x-frame-options"] == "DENY", path
        assert answer.headers["cache-control"], path


def test_pages_are_never_kept_and_files_are(controller: Running) -> None:
    browser = controller.signed_in("ky")

    assert browser.get("/fleet").headers["cache-control"] == "no-store"
    assert browser.get("/api/v1/devices").headers["cache-control"] == "no-store"
    assert browser.get("/static/app.css").headers["cache-control"] == "public, max-age=3600"


def test_pages_are_compressed_and_the_stream_is_not(controller: Running) -> None:
    browser = controller.signed_in("ky")

    assert browser.get("/fleet").headers["content-encoding"] == "gzip"
    with browser.stream("GET", "/api/v1/stream") as answer:
        assert "content-encoding" not in answer.headers
        assert answer.headers["content-type"].startswith("text/event-stream")


def test_foreign_host_names_and_large_bodies_are_refused(controller: Running) -> None:
    browser = controller.client()

    assert browser.get("/healthz", headers={"host": "evil.example"}).status_code == 421
    assert browser.post("/signin", content=b"a" * 70_000).status_code == 413


def test_without_a_session_only_the_public_routes_answer(controller: Running) -> None:
    stranger = controller.client()
    for method, path in routes(controller):
        answer = ask(stranger, method, path)
        if path == f"/api/v1/files/{DIGEST}":
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Fabfleet")
        elif path.startswith(PROVIDERS):
            linking = path.endswith("/link")  # for whoever has signed in
            assert answer.status_code == (401 if linking else 303), path
        elif is_public(path):
            assert answer.status_code not in (401, 303) or method == "POST", path
        elif path.startswith("/api/"):
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
        elif method == "GET":
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/signin"), path
        else:
            assert answer.status_code == 403, path
    assert stranger.get("/no/such/page").status_code == 303, "what there is, is not told either"


def test_public_routes_are_few_and_listed() -> None:
    assert sorted(PUBLIC) == [
        "/api/v1/enrol",
        "/api/v1/enrol/reclaim",
        "/favicon.ico",
        "/healthz",
        "/language",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/signin",
    ]


def test_lost_session_in_a_fragment_leaves_the_whole_page(controller: Running) -> None:
    answer = controller.client().get("/devices/1/panel", headers={"hx-request": "true"})

    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/signin?next=%2Fdevices%2F1%2Fpanel"


# scopes


def marks_of(school: str) -> tuple[str, ...]:
    """What gives a school away in any answer."""
    return {"an-phu": ("an-phu", "An Phú", "Phòng An"), "binh-minh": ("binh-minh", "Bình Minh", "Phòng Bình")}[school]


def test_teacher_of_one_school_never_sees_the_other_on_any_route(controller: Running) -> None:
    browser = controller.signed_in("ha")
    for method, path in routes(controller):
        if method != "GET" or path in ("/openapi.json", "/metrics"):
            continue
        answer = ask(browser, method, path)
        assert not any(mark in answer.text for mark in marks_of("binh-minh")), path
        if path.startswith("/admin/"):
            assert answer.status_code == 403, "not for teachers, whosever it is"
        elif any(part in path for part in ("/devices/", "/rooms/", "/jobs/", "/commands/")):
            assert answer.status_code == 404, path
    theirs = next(view for view in controller.services.live.devices(CLUSTER) if view.school_id == "binh-minh")
    assert browser.get(f"/api/v1/stream?device={theirs.id}").status_code == 404
    assert browser.get("/api/v1/devices?school=binh-minh").json()["total"] == 0


def test_teacher_sees_the_own_school(controller: Running) -> None:
    browser = controller.signed_in("ha")

    assert [each["school"] for each in browser.get("/api/v1/devices").json()["items"]] == ["an-phu"]
    assert "Phòng An" in browser.get("/my").text


def test_technician_of_one_school_never_sees_the_other_in_data(controller: Running) -> None:
    browser = controller.signed_in("minh")
    for path in ("/fleet", "/fleet/attention", "/api/v1/devices", "/api/v1/stream", "/api/v1/quarantine"):
        answer = ask(browser, "GET", path)
        assert answer.status_code == 200, path
        assert not any(mark in answer.text for mark in marks_of("an-phu")), path


def test_teacher_gets_no_permission_where_the_role_lacks_it(controller: Running) -> None:
    browser = controller.signed_in("ha")

    assert browser.get("/fleet").status_code == 403
    assert browser.get("/api/v1/quarantine").status_code == 403
    assert browser.get("/api/v1/quarantine").headers["content-type"] == "application/json"


def test_metrics_are_for_this_machine_or_a_token_of_the_whole_cluster(controller: Running, cluster: Cluster) -> None:
    proxied = {"x-forwarded-for": "203.0.113.5"}
    tokens = {login: cluster.admin.add_api_token(login, "scraper", None) for login in ("ky", "minh", "ha")}

    assert controller.client().get("/metrics").status_code == 200
    assert controller.client().get("/metrics", headers=proxied).status_code == 403
    allowed = {
        login: controller.bearer(token).get("/metrics", headers=proxied).status_code for login, token in tokens.items()
    }
    assert allowed == {"ky": 200, "minh": 403, "ha": 403}
