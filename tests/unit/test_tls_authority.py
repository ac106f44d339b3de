"""The own authority and what it signs, looked at with OpenSSL through Python's own `ssl` where that can say it."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from controller.tls.authority import (
    BadCertificate,
    KeyPair,
    anchor,
    check_pair,
    due,
    ends,
    is_host,
    issue,
    make_authority,
    names_of,
    signed_by,
)

NOW = datetime(2026, 9, 5, 7, 0, tzinfo=UTC)
HOSTS = ("may-chu", "192.168.1.10", "::1", "fabfleet.truong.example")


def test_authority_is_known_by_the_sha256_of_its_certificate() -> None:
    made = make_authority(NOW)
    known = anchor(made.certificate)
    assert known.fingerprint == hashlib.sha256(ssl.PEM_cert_to_DER_cert(known.pem)).hexdigest()
    assert known != anchor(make_authority(NOW).certificate)


def test_authority_lasts_ten_years_signs_servers_and_no_further_authority() -> None:
    made = x509.load_pem_x509_certificate(make_authority(NOW).certificate)
    assert made.not_valid_after_utc - NOW >= timedelta(days=3650)
    limits = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical
    assert (limits.value.ca, limits.value.path_length) == (True, 0)


def test_server_certificate_is_for_every_name_and_address_and_followed_by_its_authority() -> None:
    authority = make_authority(NOW)
    pair = issue(authority, HOSTS, NOW)
    assert names_of(pair.certificate) == set(HOSTS)
    assert pair.certificate.endswith(authority.certificate)
    assert signed_by(pair.certificate, authority.certificate)
    assert not signed_by(pair.certificate, make_authority(NOW).certificate)
    check_pair(pair)


def test_server_certificate_is_good_for_a_client_whose_clock_is_hours_slow() -> None:
    made = x509.load_pem_x509_certificate(issue(make_authority(NOW), HOSTS, NOW).certificate)
    assert made.not_valid_before_utc <= NOW - timedelta(hours=23)


@pytest.mark.parametrize(
    ("age", "hosts", "wanted"),
    [
        (timedelta(days=1), HOSTS, False),
        (timedelta(days=59), HOSTS, False),
        (timedelta(days=61), HOSTS, True),
        (timedelta(days=200), HOSTS, True),
        (timedelta(days=1), HOSTS[:1], False),
        (timedelta(days=1), (*HOSTS, "10.0.0.7"), True),
    ],
)
def test_server_certificate_is_renewed_at_two_thirds_and_for_a_new_name(
    age: timedelta, hosts: tuple[str, ...], wanted: bool
) -> None:
    pair = issue(make_authority(NOW), HOSTS, NOW)
    assert due(pair.certificate, hosts, NOW + age) is wanted


def test_end_of_a_certificate_is_told() -> None:
    assert ends(issue(make_authority(NOW), HOSTS, NOW).certificate) == NOW + timedelta(days=90)


def test_a_key_of_another_certificate_and_what_is_no_certificate_are_refused() -> None:
    authority = make_authority(NOW)
    one, other = issue(authority, HOSTS, NOW), issue(authority, HOSTS, NOW)
    with pytest.raises(BadCertificate, match="does not belong"):
        check_pair(KeyPair(one.certificate, other.key))
    with pytest.raises(BadCertificate, match="cannot be read"):
        check_pair(KeyPair(one.certificate, b"no key"))
    with pytest.raises(BadCertificate, match="no certificate"):
        anchor(b"nonsense")


@pytest.mark.parametrize(
    ("name", "good"),
    [("may-1", True), ("10.0.0.1", True), ("fe80::1", True), ("", False), ("a b", False), ("máy_1", False)],
)
def test_names_that_no_certificate_can_hold_are_told_apart(name: str, good: bool) -> None:
    assert is_host(name) is good
