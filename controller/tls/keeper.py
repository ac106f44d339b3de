"""Keeps the server's certificate good: makes it, renews it in time, or follows the files that were given."""

import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from controller.config import ControllerConfig
from controller.tls.authority import BadCertificate, KeyPair, check_pair, due, ends, is_host, issue, signed_by
from controller.tls.store import SERVER, TlsStore

_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses of nobody (RFC 5737, RFC 3849): which of ours would be used to reach them? Nothing is sent."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Given:
    """The files of a certificate that somebody else looks after."""

    certificate: Path
    key: Path


class Keeper:
    """Call `look` now and then. `file` holds the server's certificate, its chain and its key in one."""

    def __init__(
        self, store: TlsStore, names: Callable[[], Iterable[str]], given: Given | None, now: Callable[[], datetime]
    ) -> None:
        self.store = store
        self._names = names
        self._given = given
        self._now = now
        self._followers: list[Callable[[Path], None]] = []
        self._objection = ""
        self._context: ssl.SSLContext | None = None

    @property
    def file(self) -> Path:
        return self.store.file(SERVER)

    @property
    def own(self) -> bool:
        """Whether our own authority vouches for the server."""
        return self._given is None

    def follow(self, follower: Callable[[Path], None]) -> None:
        """Have each later certificate told, by its file, in the thread of `look`."""
        self._followers.append(follower)

    def trust(self) -> ssl.SSLContext:
        """How the controller itself knows its broker: by the very certificate, under whatever name it is reached."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=str(self.file))
            self._context.check_hostname = False
            self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return self._context

    def bundle(self) -> str:
        """What agents are to trust, PEM; empty if the certificate was given: who gave it says whom to trust."""
        return self.store.bundle() if self.own else ""

    def look(self) -> bool:
        """Renew what is due, take over what was given anew; whether the certificate is another one now.

        What cannot be used is told once, and what was used before stays. Raises BadCertificate or OSError if there
        was nothing before.
        """
        before = self.store.read(SERVER)
        try:
            pair = self._wanted(before)
        except (OSError, BadCertificate) as error:
            if before is None:
                raise
            if str(error) != self._objection:
                _log.error("the server's certificate stays as it is: %s", error)
            self._objection = str(error)
            return False
        self._objection = ""
        if pair == before:
            return False
        self.store.write(SERVER, pair)
        _log.info("the server has a new certificate, valid until %s", ends(pair.certificate).date())
        if self._context is not None:
            self._context.load_verify_locations(cafile=str(self.file))
        for follower in self._followers:
            follower(self.file)
        return True

    def _wanted(self, before: KeyPair | None) -> KeyPair:
        if self._given is not None:
            pair = KeyPair(_lines(self._given.certificate), _lines(self._given.key))
            check_pair(pair)
            return pair
        authority, names = self.store.authority(self._now()), tuple(self._names())
        if (
            before is None
            or not signed_by(before.certificate, authority.certificate)
            or due(before.certificate, names, self._now())
        ):
            return issue(authority, names, self._now())
        return before


def keeper(config: ControllerConfig, now_ms: Callable[[], int]) -> Keeper:
    """As the settings have it."""
    given = None
    if config.tls_certificate is not None and config.tls_key is not None:
        given = Given(config.tls_certificate, config.tls_key)
    return Keeper(
        TlsStore(config.folder),
        lambda: server_names(config),
        given,
        lambda: datetime.fromtimestamp(now_ms() / 1000, UTC),
    )


def server_names(config: ControllerConfig) -> tuple[str, ...]:
    """All under which this controller may be asked for: what was set, this machine's names, and its addresses."""
    machine = socket.gethostname().lower()
    listens = {config.host, config.broker_host}
    wanted = {*listens, *config.hosts, config.broker.public_host, machine, f"{machine}.local", "localhost"}
    wanted |= {"127.0.0.1", "::1"} | (_addresses() if listens & _ANY else set())
    return tuple(sorted(name.lower() for name in wanted - _ANY if is_host(name)))


def _addresses() -> set[str]:
    """Those by which this machine reaches others."""
    found = set()
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.add(probe.getsockname()[0])
        except OSError:
            continue  # no network of this kind
    return found


def _lines(file: Path) -> bytes:
    content = file.read_bytes()
    return content if content.endswith(b"\n") else content + b"\n"
