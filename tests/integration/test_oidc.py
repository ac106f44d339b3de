"""Signing in by a provider: a real one, in a process of its own, and a controller that its people come to."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from sqlmodel import Session

from controller.identity import store
from controller.identity.admin import NewUser
from controller.identity.oidc_provider import Newcomers
from controller.identity.oidc_provider import Provider as Entry
from controller.identity.policy import Role
from controller.main import create_app
from tests.inside import BASE, Inside
from tests.integration.running import PASSWORD, Cluster, csrf_of, seed, settings
from tests.oidc.process import Provider, provider

pytestmark = pytest.mark.integration
NAMES = ("waits", "enters", "refuses", "trusts", "any")


@pytest.fixture(scope="module")
def far() -> Iterator[Provider]:
    with provider([f"{BASE}/signin/with/{name}/return" for name in NAMES]) as one:
        yield one


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def cluster(state: Path) -> Cluster:
    return seed(state)


@pytest.fixture
def app(far: Provider, cluster: Cluster, state: Path, tmp_path: Path) -> Iterator[Inside]:
    assert cluster.agents
    far.set(person="lan", tamper="", deny="", ttl="60")
    secret = tmp_path / "secret"
    secret.write_text("geheim\n", "utf-8")
    entry = Entry(
        name="waits",
        title="Cổng trường",
        client_id="fabfleet",
        client_secret_file=secret,
        issuer=far.issuer,
        allowed_domains=("an-phu.example",),
        schools={"an-phu.example": "an-phu"},
    )
    entries = (
        entry,
        replace(entry, name="enters", newcomers=Newcomers.ENTER),
        replace(entry, name="refuses", newcomers=Newcomers.REFUSE),
        replace(entry, name="trusts", newcomers=Newcomers.REFUSE, trust_email=True),
        replace(entry, name="any", newcomers=Newcomers.ENTER, allowed_domains=()),
    )
    with Inside(create_app(replace(settings(state), oidc=entries))) as inside:
        yield inside


@pytest.fixture
def browser(app: Inside) -> httpx.Client:
    return app.browser()


def there(browser: httpx.Client, name: str) -> str:
    answer = browser.get(f"/signin/with/{name}")
    assert answer.status_code == 303
    return answer.headers["location"]


def changed(url: str, **values: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **values})).geturl()


def come(browser: httpx.Client, far: Provider, name: str) -> str:
    """Sign in by a provider; where that ends."""
    back = far.walk(there(browser, name), BASE)
    return browser.get(back).headers["location"]


def test_newcomer_of_the_schools_domain_comes_in_with_its_school(
    browser: httpx.Client, app: Inside, far: Provider
) -> None:
    assert come(browser, far, "enters") == "/my"

    with Session(app.app.state.services.engine) as db:
        user = store.user_by_login(db, "lan@an-phu.example")
        assert user is not None
        assert (user.name, user.role, user.school_id) == ("Lan Đỗ", Role.TEACHER, "an-phu")
    assert "Lan Đỗ" in browser.get("/account").text
    browser.post("/signout", data={"csrf": csrf_of(browser)})
    assert come(browser, far, "enters") == "/my", "the second time is the same account"


def test_newcomer_waits_until_an_administrator_lets_them_in(browser: httpx.Client, app: Inside, far: Provider) -> None:
    assert come(browser, far, "waits") == "/signin?error=waiting"
    assert "An administrator lets you in first" in browser.get("/signin?error=waiting").text

    tri = app.signed_in("tri", PASSWORD)
    listed = tri.get("/people").text
    assert "Waits to be let in" in listed
    person = re.findall(r'href="(/people/[0-9a-f]{16})"><b>Lan Đỗ', listed)[0]
    assert tri.post(f"{person}/enable", data={"csrf": csrf_of(tri)}).status_code == 303
    assert come(browser, far, "waits") == "/my"


def test_administrator_says_whose_account_it_is(browser: httpx.Client, app: Inside, far: Provider) -> None:
    come(browser, far, "waits")
    tri = app.signed_in("tri", PASSWORD)
    person = re.findall(r'href="(/people/[0-9a-f]{16})"><b>Lan Đỗ', tri.get("/people").text)[0]

    assert tri.post(f"{person}/join", data={"csrf": csrf_of(tri), "login": "nobody"}).status_code == 422
    assert tri.post(f"{person}/join", data={"csrf": csrf_of(tri), "login": "ha"}).status_code == 303

    assert come(browser, far, "waits") == "/my"
    assert "Person ha" in browser.get("/account").text


def test_account_is_linked_by_its_person_and_parted_again(app: Inside, far: Provider) -> None:
    ha = app.signed_in("ha", PASSWORD)
    page = ha.get("/account").text
    link = re.findall(r'href="(/signin/with/waits/link\?token=[\w-]+)"', page)[0]
    assert ha.get("/signin/with/waits/link?token=forged").status_code == 403

    back = far.walk(ha.get(link).headers["location"], BASE)
    assert ha.get(back).headers["location"] == "/account?saved=yes"
    stranger = app.browser()
    assert come(stranger, far, "refuses") == "/my", "it is one link with the issuer, whatever the entry"
    assert "Person ha" in stranger.get("/account").text

    minh = app.signed_in("minh", PASSWORD)
    link = re.findall(r'href="(/signin/with/waits/link\?token=[\w-]+)"', minh.get("/account").text)[0]
    back = far.walk(minh.get(link).headers["location"], BASE)
    assert minh.get(back).headers["location"] == "/account?error=taken"

    given = {"csrf": csrf_of(ha), "issuer": far.issuer, "subject": "lan"}
    assert ha.post("/account/unlink", data=given).status_code == 303
    assert come(app.browser(), far, "refuses") == "/signin?error=unknown"


def test_address_alone_links_nobody_unless_verified_and_configured(
    app: Inside, far: Provider, cluster: Cluster
) -> None:
    cluster.admin.add_user(NewUser("lan@an-phu.example", "Lan here", Role.TEACHER, "an-phu"), PASSWORD)

    assert come(app.browser(), far, "refuses") == "/signin?error=unknown"
    trusted = app.browser()
    assert come(trusted, far, "trusts") == "/my"
    assert "Lan here" in trusted.get("/account").text

    cluster.admin.add_user(NewUser("ma@an-phu.example", "Mã here", Role.TEACHER, "an-phu"), PASSWORD)
    far.set(person="ma")
    unverified = app.browser()
    assert come(unverified, far, "trusts") == "/signin?error=unverified"
    assert come(unverified, far, "any") == "/signin?error=waiting", "an account of its own, whose school nobody knows"


@pytest.mark.parametrize(("person", "error"), [("la", "domain"), ("ma", "unverified")])
def test_people_of_elsewhere_stay_out(browser: httpx.Client, far: Provider, person: str, error: str) -> None:
    far.set(person=person)

    assert come(browser, far, "enters") == f"/signin?error={error}"
    assert browser.get("/my").status_code == 303


@pytest.mark.parametrize("tamper", ["aud", "iss", "nonce", "late", "ahead", "forged", "hidden"])
def test_token_that_is_not_for_this_flow_lets_nobody_in(browser: httpx.Client, far: Provider, tamper: str) -> None:
    far.set(tamper=tamper)

    assert come(browser, far, "enters") == "/signin?error=token"
    assert browser.get("/my").status_code == 303


def test_clock_of_a_provider_may_be_a_minute_off(browser: httpx.Client, far: Provider) -> None:
    far.set(tamper="skew")

    assert come(browser, far, "enters") == "/my"


def test_nonce_of_another_flow_lets_nobody_in(browser: httpx.Client, far: Provider) -> None:
    back = far.walk(changed(there(browser, "enters"), nonce="of-another-flow"), BASE)

    assert browser.get(back).headers["location"] == "/signin?error=token"


def test_code_of_another_browser_lets_nobody_in(browser: httpx.Client, app: Inside, far: Provider) -> None:
    """A state that this browser was not given, and a code whose verifier it does not know."""
    back = far.walk(there(browser, "enters"), BASE)
    victim = app.browser()
    assert victim.get(back).headers["location"] == "/signin?error=state"
    own = far.walk(there(victim, "enters"), BASE)
    stolen = changed(own, code=dict(parse_qsl(urlsplit(back).query))["code"])
    assert victim.get(stolen).headers["location"] == "/signin?error=state"


def test_code_is_good_for_a_while(browser: httpx.Client, far: Provider) -> None:
    far.set(ttl="1")
    back = far.walk(there(browser, "enters"), BASE)
    time.sleep(3)

    assert browser.get(back).headers["location"] == "/signin?error=state"


def test_answer_comes_back_once(browser: httpx.Client, far: Provider) -> None:
    back = far.walk(there(browser, "enters"), BASE)

    assert browser.get(back).headers["location"] == "/my"
    assert browser.get(back).headers["location"] == "/signin?error=state"


def test_keys_that_a_provider_changes_are_asked_for_anew(app: Inside, far: Provider) -> None:
    assert come(app.browser(), far, "enters") == "/my"
    far.set(renew="yes")

    assert come(app.browser(), far, "enters") == "/my"


def test_who_stops_at_the_provider_is_told_so(browser: httpx.Client, far: Provider) -> None:
    far.set(deny="yes")

    assert come(browser, far, "enters") == "/signin?error=cancelled"
    assert "Signing in was stopped there" in browser.get("/signin?error=cancelled").text


def test_sign_out_offers_to_sign_out_there_too(browser: httpx.Client, far: Provider) -> None:
    come(browser, far, "enters")
    left = browser.post("/signout", data={"csrf": csrf_of(browser)}).headers["location"]
    assert left == "/signin?done=left-enters"
    assert 'href="/signin/with/enters/leave"' in browser.get(left).text

    assert browser.get("/signin/with/enters/leave").headers["location"].startswith(f"{far.issuer}/session/end?")


def test_disabled_person_stays_out_though_the_provider_vouches(
    browser: httpx.Client, app: Inside, far: Provider, cluster: Cluster
) -> None:
    come(browser, far, "enters")
    cluster.admin.disable("lan@an-phu.example", disabled=True)

    assert browser.get("/my").status_code == 303
    assert come(app.browser(), far, "enters") == "/signin?error=disabled"


def test_provider_that_is_away_is_told_of_and_passwords_still_work(state: Path, cluster: Cluster) -> None:
    assert cluster.agents
    entry = Entry(name="away", client_id="fabfleet", issuer="http://127.0.0.1:9")
    with Inside(create_app(replace(settings(state), oidc=(entry,)))) as app:
        assert app.browser().get("/signin/with/away").headers["location"] == "/signin?error=provider"
        assert app.signed_in("ha", PASSWORD).get("/my").status_code == 200
