"""What an answer of a provider is worth: whom it lets in, of which school."""

from typing import Any

import pytest

from controller.identity.oidc import Code, NotIn, code_of, question, school_of, state_of, verifier_of, who_is
from controller.identity.oidc_provider import Kind, Provider

TENANT = "01234567-89ab-cdef-0123-456789abcdef"
GENERIC = Provider("school", "fabfleet", issuer="https://id.example", allowed_domains=("an-phu.example",))
GOOGLE = Provider(
    "google", "fabfleet", kind=Kind.GOOGLE, issuer="https://g.example", allowed_domains=("an-phu.example",)
)
MICROSOFT = Provider("ms", "fabfleet", kind=Kind.MICROSOFT, issuer="https://m.example", tenant=TENANT)
LAN = {"sub": "1", "name": "Lan\u0007", "email": "Lan@An-Phu.example", "email_verified": True}


@pytest.mark.parametrize(
    ("provider", "claims", "code"),
    [
        (GENERIC, {"email_verified": False}, Code.UNVERIFIED),
        (GENERIC, {"email": "lan@elsewhere.example"}, Code.DOMAIN),
        (GENERIC, {"email": "lan@an-phu.example.evil.example"}, Code.DOMAIN),
        (GOOGLE, {}, Code.DOMAIN),  # a private account whose address only looks like the school's
        (GOOGLE, {"hd": "elsewhere.example"}, Code.DOMAIN),
        (MICROSOFT, {}, Code.DOMAIN),
        (MICROSOFT, {"tid": "11111111-89ab-cdef-0123-456789abcdef"}, Code.DOMAIN),
    ],
)
def test_people_of_elsewhere_stay_out(provider: Provider, claims: dict[str, Any], code: Code) -> None:
    with pytest.raises(NotIn) as refused:
        who_is(provider, LAN | claims)

    assert refused.value.code is code


@pytest.mark.parametrize(
    ("provider", "claims", "email"),
    [
        (GENERIC, {}, "lan@an-phu.example"),
        (GOOGLE, {"hd": "an-phu.example"}, "lan@an-phu.example"),
        (MICROSOFT, {"tid": TENANT}, ""),  # who may write an address in a directory there has proven nothing
        (MICROSOFT, {"tid": TENANT, "xms_edov": True}, "lan@an-phu.example"),
    ],
)
def test_address_counts_only_where_the_provider_has_verified_it(
    provider: Provider, claims: dict[str, Any], email: str
) -> None:
    found = who_is(provider, LAN | claims)

    assert (found.subject, found.name, found.email) == ("1", "Lan", email)


def test_school_is_told_by_domain_or_by_a_claim() -> None:
    by_domain = Provider("x", "y", school="other", schools={"an-phu.example": "an-phu"})
    by_claim = Provider("x", "y", school_claim="site", schools={"B7": "binh-minh"})
    who = who_is(by_domain, LAN)

    assert school_of(by_domain, who, LAN) == "an-phu"
    assert school_of(by_domain, who_is(by_domain, {"sub": "2"}), {}) == "other"
    assert school_of(by_claim, who, {**LAN, "site": "B7"}) == "binh-minh"
    assert school_of(by_claim, who, LAN) == ""


def test_question_gives_away_no_secret() -> None:
    asked = question(GENERIC, "https://id.example/auth", "https://us.example/back", "the-secret")

    assert "code_challenge_method=S256" in asked
    assert "the-secret" not in asked
    assert verifier_of("the-secret") not in asked


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({}, Code.STATE),
        ({"state": state_of("another"), "code": "x"}, Code.STATE),
        ({"state": state_of("mine"), "code": "x", "iss": "https://elsewhere.example"}, Code.STATE),
        ({"state": state_of("mine"), "error": "access_denied"}, Code.CANCELLED),
        ({"state": state_of("mine"), "error": "server_error"}, Code.PROVIDER),
        ({"state": state_of("mine")}, Code.PROVIDER),
    ],
)
def test_answer_without_a_code_of_this_flow_is_refused(answer: dict[str, str], code: Code) -> None:
    with pytest.raises(NotIn) as refused:
        code_of(GENERIC, answer, "mine")

    assert refused.value.code is code
