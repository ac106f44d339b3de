"""Certificates: an own authority, and what it signs for the server (RFC 5280). Pure but for the randomness of keys."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE: Final = timedelta(days=3652)
SERVER_LIFE: Final = timedelta(days=90)
_BACKDATED: Final = timedelta(days=1)
"""A certificate begins so much earlier: the clock of whoever looks at it may be slow."""
_LONGEST_NAME: Final = 253
_RENEW_AT: Final = 2 / 3


class BadCertificate(ValueError):
    """What was given is no certificate, or its key does not belong to it; the message says which."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate, PEM, with its private key, PEM (PKCS #8). Those who signed it may follow in `certificate`."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What others need to trust an authority: its certificate, PEM, and by what they know it.

    `fingerprint` is the SHA-256 of the certificate in DER, 64 hexadecimal digits.
    """

    pem: str
    fingerprint: str


def anchor(certificate: bytes) -> Anchor:
    """Of the first certificate in a PEM text. Raises BadCertificate."""
    parsed = _parsed(certificate)
    return Anchor(parsed.public_bytes(serialization.Encoding.PEM).decode(), parsed.fingerprint(hashes.SHA256()).hex())


def make_authority(now: datetime) -> KeyPair:
    """A new authority: EC P-256, valid for ten years. No two have the same name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Fabfleet CA {secrets.token_hex(4)}")])
    builder = _begun(name, name, key.public_key(), now, AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return KeyPair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def issue(authority: KeyPair, hosts: Iterable[str], now: datetime) -> KeyPair:
    """A server's certificate for names and addresses, followed by the authority's, so that it can be looked at."""
    names = tuple(dict.fromkeys(hosts))
    signer = _parsed(authority.certificate)
    signer_key = serialization.load_pem_private_key(authority.key, None)
    if not isinstance(signer_key, ec.EllipticCurvePrivateKey):
        raise BadCertificate("the authority's key is not one of an elliptic curve")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fabfleet")])
    builder = _begun(subject, signer.subject, key.public_key(), now, SERVER_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key())
    builder = builder.add_extension(of_signer, critical=False)
    return KeyPair(_pem(builder.sign(signer_key, hashes.SHA256())) + authority.certificate, _key_pem(key))


def due(certificate: bytes, hosts: Iterable[str], now: datetime) -> bool:
    """Whether the server needs a new one: two thirds of its life are over, or it lacks one of these names."""
    parsed = _parsed(certificate)
    begin, end = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    return now >= begin + (end - begin) * _RENEW_AT or not set(hosts) <= names_of(certificate)


def ends(certificate: bytes) -> datetime:
    """When it is no longer valid. Raises BadCertificate."""
    return _parsed(certificate).not_valid_after_utc


def names_of(certificate: bytes) -> frozenset[str]:
    """Names and addresses that it is for."""
    try:
        alternatives = _parsed(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    names = alternatives.get_values_for_type(x509.DNSName)
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    return frozenset((*names, *map(str, addresses)))


def signed_by(certificate: bytes, authority: bytes) -> bool:
    """Whether the authority's key made this certificate's signature."""
    try:
        _parsed(certificate).verify_directly_issued_by(_parsed(authority))
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def check_pair(pair: KeyPair) -> None:
    """Raises BadCertificate unless the key is the first certificate's own."""
    try:
        key = serialization.load_pem_private_key(pair.key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadCertificate(f"the key cannot be read: {error}") from None
    if key.public_key() != _parsed(pair.certificate).public_key():
        raise BadCertificate("the key does not belong to the certificate")


def is_host(name: str) -> bool:
    """Whether a certificate can be made for it: an address, or a name in letters that every resolver takes."""
    try:
        _general(name)
    except ValueError:
        return False
    return True


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    begin = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder(
            subject_name=subject, issuer_name=issuer, public_key=key, serial_number=x509.random_serial_number()
        )
        .not_valid_before(begin - _BACKDATED)
        .not_valid_after(begin + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    if not name or len(name) > _LONGEST_NAME or not name.replace("-", "").replace(".", "").isalnum():
        raise ValueError(f"{name!r} is neither a name nor an address")
    return x509.DNSName(name)


def _parsed(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise BadCertificate(f"no certificate: {error}") from None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
