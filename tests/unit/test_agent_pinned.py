"""How an agent finds out, knowing a fingerprint alone, that it speaks with the right server: over real TLS."""

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import NotTrusted, Unreachable
from agent.pinned import authority_at, fingerprint_of, pinned_connection
from controller.tls.authority import anchor, make_authority
from tests.tls import now, served, signed

AUTHORITY = make_authority(now())
PRINT = anchor(AUTHORITY.certificate).fingerprint


def test_pinned_gives_the_authority_and_speaks_with_whom_it_vouches_for(tmp_path: Path) -> None:
    with served(signed(AUTHORITY), tmp_path) as port:
        url = f"https://127.0.0.1:{port}"
        authority = authority_at(url, PRINT)
        assert anchor(authority.encode()).fingerprint == PRINT
        connection = pinned_connection(url, authority)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"hello"
        connection.close()


def test_pinned_takes_the_fingerprint_as_people_copy_it() -> None:
    pairs = [PRINT[place : place + 2].upper() for place in range(0, len(PRINT), 2)]
    assert fingerprint_of(" " + ":".join(pairs) + "\n") == PRINT
    with pytest.raises(NotTrusted, match="64 hexadecimal digits"):
        fingerprint_of(PRINT[:-1])


def test_pinned_refuses_another_authority(tmp_path: Path) -> None:
    with served(signed(), tmp_path) as port, pytest.raises(NotTrusted, match="not the server that was meant"):
        authority_at(f"https://127.0.0.1:{port}", PRINT)


def test_pinned_refuses_a_chain_that_only_shows_the_right_authority(tmp_path: Path) -> None:
    """Anybody can send the authority's certificate along: it counts only if its key signed the server's."""
    forged = signed()
    own = forged.certificate.split(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n"
    shown = type(forged)(own + AUTHORITY.certificate, forged.key)
    with served(shown, tmp_path) as port, pytest.raises(NotTrusted, match="does not hold"):
        authority_at(f"https://127.0.0.1:{port}", PRINT)


def test_pinned_refuses_an_expired_certificate_and_one_for_another_name(tmp_path: Path) -> None:
    with (
        served(signed(AUTHORITY, ago=timedelta(days=100)), tmp_path) as port,
        pytest.raises(NotTrusted, match="expired"),
    ):
        authority_at(f"https://127.0.0.1:{port}", PRINT)
    with served(signed(AUTHORITY, "another-server"), tmp_path) as port, pytest.raises(NotTrusted, match="mismatch"):
        authority_at(f"https://127.0.0.1:{port}", PRINT)


def test_pinned_tells_silence_and_plain_http_from_a_stranger(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable):
        authority_at(f"https://127.0.0.1:{port}", PRINT)
    with pytest.raises(NotTrusted, match="https"):
        authority_at(f"http://127.0.0.1:{port}", PRINT)
