"""Makes one attempt at a time to send a message, by a process of its own each (`courier`)."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine
from sqlmodel import Session

from controller.config import NoticesConfig
from controller.notifications import channels, store
from controller.notifications.channels import ChannelKind, Installation, Mail
from controller.notifications.errors import KeyLost, WrongField
from controller.notifications.sealing import Seal
from controller.notifications.states import Result
from controller.notifications.tables import ZaloTokens

WAIT_S: Final = 35.0
"""How long an attempt may take; the courier ends itself before."""
_MARGIN_MS: Final = 10 * 60_000
"""A token that runs out so soon is renewed."""
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: `body` is plain text of one or more lines."""

    title: str
    body: str


def installation(config: NoticesConfig) -> Installation:
    """What there is for everybody."""
    mail = None
    if config.smtp_host:
        sender = config.smtp_sender or config.smtp_user
        mail = Mail(
            config.smtp_host, config.smtp_port, config.smtp_security, config.smtp_user, config.smtp_password, sender
        )
    return Installation(mail, bool(config.zalo_app_id), config.private_addresses)


class Outlet:
    """Safe to use from any thread. `endpoints` are other addresses of the services, by name, for tests."""

    def __init__(
        self,
        engine: Engine,
        seal: Seal,
        config: NoticesConfig,
        now_ms: Callable[[], int],
        endpoints: Mapping[str, str] = _NOTHING,
    ) -> None:
        self.given = installation(config)
        self._engine = engine
        self._seal = seal
        self._config = config
        self._now_ms = now_ms
        self._endpoints = dict(endpoints)
        self._refreshing: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def send(self, kind: ChannelKind, fields: Mapping[str, str], message: Message) -> str:
        """One attempt; its code, see `states.Result`."""
        if kind is ChannelKind.ZALO_OA:
            return self._send_by_zalo(fields, message)
        try:
            address = channels.address(kind, fields, self.given)
        except (WrongField, KeyError):
            return Result.SETTINGS
        # What the administrator wrote may lie inside; what anybody else wrote may not.
        ours = kind is ChannelKind.EMAIL and "host" not in fields
        return str(self._run(message, address=address, private=self.given.private or ours)["result"])

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> str:
        """One attempt at a request with that body, which is text; its code. Without TLS it goes to the inside alone."""
        post = {"url": url, "body": body.decode(), "headers": dict(headers)}
        inside = not url.lower().startswith("https:")
        return str(self._run(Message("", ""), post=post, private=self.given.private, inside=inside)["result"])

    def close(self) -> None:
        """End what is under way; nothing is sent any more."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.kill()

    # Zalo

    def _send_by_zalo(self, fields: Mapping[str, str], message: Message) -> str:
        try:
            result, access = self._access_token(fields)
        except KeyLost:
            return Result.KEY_LOST
        except KeyError:
            return Result.SETTINGS
        if not access:
            return result
        zalo = {"access_token": access, "user_id": fields["user_id"]}
        return str(self._run(message, zalo=zalo, private=self.given.private)["result"])

    def _access_token(self, fields: Mapping[str, str]) -> tuple[str, str]:
        """A token that is good for a while; or the code of why there is none, and "". Of an account one at a time."""
        app_id, secret_key, first = self._account(fields)
        account = hashlib.sha256(f"{app_id}\0{first}".encode()).hexdigest()
        with self._lock:
            mine = self._refreshing.setdefault(account, threading.Lock())
        if not mine.acquire(timeout=WAIT_S):
            return Result.TIMEOUT, ""
        try:
            return self._refreshed(account, {"app_id": app_id, "secret_key": secret_key, "refresh_token": first})
        finally:
            mine.release()

    def _refreshed(self, account: str, zalo: Mapping[str, str]) -> tuple[str, str]:
        """As `_access_token`: the one that is kept, or a new one. `zalo` has the refresh token that somebody wrote."""
        with Session(self._engine) as db:
            kept = store.tokens(db, account)
        if kept is not None:
            tokens = json.loads(self._seal.open(kept.sealed))
            if kept.until_ms > self._now_ms() + _MARGIN_MS:
                return Result.SENT, str(tokens["access"])
            zalo = {**zalo, "refresh_token": tokens["refresh"]}
        told = self._run(Message("", ""), zalo=zalo, private=self.given.private)
        if told["result"] != Result.SENT:
            return str(told["result"]), ""
        access, refresh, seconds = told["tokens"]
        until_ms = self._now_ms() + 1000 * int(seconds)
        sealed = self._seal.close(json.dumps({"access": access, "refresh": refresh}))
        with Session(self._engine) as db:
            db.merge(ZaloTokens(account=account, sealed=sealed, until_ms=until_ms))
            db.commit()
        return Result.SENT, str(access)

    def _account(self, fields: Mapping[str, str]) -> tuple[str, str, str]:
        """App, its secret key, and the refresh token that somebody wrote: one's own, else the installation's."""
        if "app_id" in fields:
            return fields["app_id"], fields["secret_key"], fields["refresh_token"]
        return self._config.zalo_app_id, self._config.zalo_secret_key, self._config.zalo_refresh_token

    # the process

    def _run(
        self,
        message: Message,
        *,
        private: bool,
        address: str = "",
        zalo: Mapping[str, str] | None = None,
        post: Mapping[str, Any] | None = None,
        inside: bool = False,
    ) -> Mapping[str, Any]:
        task = {
            "address": address,
            "zalo": zalo,
            "post": post,
            "title": message.title,
            "body": message.body,
            "private": private,
            "inside": inside,
            "endpoints": self._endpoints,
        }
        child = self._start()
        if child is None:
            return {"result": Result.STOPPED}
        try:
            with child:  # waits for its end
                try:
                    told, _ = child.communicate(json.dumps(task).encode(), WAIT_S)
                except subprocess.TimeoutExpired:
                    child.kill()
                    return {"result": Result.TIMEOUT}
        finally:
            with self._lock:
                self._children.discard(child)
        if child.returncode:
            return {"result": Result.STOPPED if self._closed else _ended(child.returncode)}
        result: Mapping[str, Any] = json.loads(told)
        return result

    def _start(self) -> "subprocess.Popen[bytes] | None":
        """None once it is closed. Secrets go by standard input: arguments can be read by anybody."""
        with self._lock:
            if self._closed:
                return None
            child = subprocess.Popen(
                (sys.executable, "-m", f"{__package__}.courier"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(self._config.ca),
            )
            self._children.add(child)
            return child


def _ended(code: int) -> Result:
    return Result.TIMEOUT if code == 3 else Result.CRASHED


def _environment(ca: Path | None) -> Mapping[str, str]:
    """No proxy, no passwords of a netrc file: an attempt goes where its address says, and nowhere else."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    trusted = {"REQUESTS_CA_BUNDLE": str(ca), "SSL_CERT_FILE": str(ca)} if ca is not None else {}
    return kept | trusted | {"NETRC": os.devnull}
