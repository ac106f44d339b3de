"""A process that makes one attempt: `python -m controller.notifications.courier`, a task on stdin, the result on
stdout.

A process of its own, because Apprise and what it loads are needed for moments only; because an attempt that hangs can
be ended; and because here every connection can be looked at before it is made: an audit hook, which nothing can take
away again, refuses each that is not to a public address. So neither a redirect nor a name that leads elsewhere on its
second look-up comes through. Redirects are not followed at all.

The task is `{"address": ..., "zalo": ..., "post": ..., "title": ..., "body": ..., "private": ..., "endpoints": ...}`,
of the first three one; the result
`{"result": CODE, "tokens": ...}`, a code of `states.Result` or `http-NNN` or `smtp-NNN`. No secret is ever printed.
"""

import json
import logging
import os
import smtplib
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

import requests

from controller.notifications import zalo_oa
from controller.notifications.reachable import is_public
from controller.notifications.states import Result

LIMIT_S: Final = 30.0
"""It ends itself then: nobody may be left who would."""
TIMEOUT_S: Final = (5.0, 15.0)
"""To connect, and to answer."""


class Witness:
    """What can be seen of an attempt from outside of Apprise, which tells no more than whether it came through."""

    def __init__(self) -> None:
        self.status = 0
        self.smtp = 0
        self.error: Exception | None = None
        self.private = False
        self.plain = False

    def watch(self, *, private: bool, inside: bool = False) -> None:
        """From now on. Without `private` no connection is made that is not to a public address, and with `inside` none
        that is: what goes there without TLS, everybody on the way could read.
        """
        sys.addaudithook(lambda event, args: self._connects(event, args, private=private, inside=inside))
        self._watch_http()
        self._watch_smtp()

    def result(self) -> str:
        """Why it did not come through."""
        if self.private:
            return Result.PRIVATE
        if self.plain:
            return Result.PLAIN
        if self.status >= 300:
            return f"http-{self.status}"
        if self.smtp:
            return f"smtp-{self.smtp}"
        if self.error is not None:
            return reason(self.error)
        return Result.REFUSED if self.status else Result.UNREACHABLE

    def _connects(self, event: str, args: tuple[Any, ...], *, private: bool, inside: bool) -> None:
        if event != "socket.connect" or (private and not inside):
            return
        public = args[0].family in (socket.AF_INET, socket.AF_INET6) and is_public(str(args[1][0]))
        if not public and not private:
            self.private = True
            raise PermissionError("not a public address")
        if public and inside:
            self.plain = True
            raise PermissionError("a public address, without TLS")

    def _watch_http(self) -> None:
        send = requests.Session.send

        def watched(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
            more["allow_redirects"] = False
            try:
                answer = send(session, request, **more)
            except requests.RequestException as error:
                self.error = error
                raise
            self.status = answer.status_code
            return answer

        requests.Session.send = watched  # type: ignore[method-assign,assignment]  # in this process alone

    def _watch_smtp(self) -> None:
        reply = smtplib.SMTP.getreply

        def watched(session: smtplib.SMTP) -> tuple[int, bytes]:
            code, text = reply(session)
            if code >= 400:
                self.smtp = code
            return code, text

        smtplib.SMTP.getreply = watched  # type: ignore[method-assign,assignment]  # in this process alone


def reason(error: Exception) -> str:
    """A code for what the network said. What is inside of an error may hold secrets, and is not told."""
    if isinstance(error, requests.exceptions.SSLError):
        return Result.TLS
    if isinstance(error, requests.exceptions.Timeout):
        return Result.TIMEOUT
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"http-{error.response.status_code}"
    return Result.NO_HOST if "NameResolutionError" in str(error) else Result.UNREACHABLE


def attempt(task: Mapping[str, Any], witness: Witness) -> dict[str, Any]:
    if task["post"]:
        return {"result": _by_post(task["post"], witness)}
    if task["zalo"]:
        return _by_zalo(task["zalo"], f"{task['title']}\n{task['body']}", task["endpoints"], witness)
    return {"result": Result.SENT if _by_apprise(task) else witness.result()}


def _by_post(post: Mapping[str, Any], witness: Witness) -> str:
    """A body as it is, to the byte: it is signed. What is answered beside the status is not read."""
    try:
        answer = requests.post(
            post["url"],
            data=post["body"].encode(),
            headers=post["headers"],
            timeout=TIMEOUT_S,
            allow_redirects=False,
            stream=True,
        )
    except (requests.RequestException, OSError, ValueError):
        return witness.result()
    answer.close()
    return Result.SENT if 200 <= answer.status_code < 300 else f"http-{answer.status_code}"


def _by_apprise(task: Mapping[str, Any]) -> bool:
    import apprise
    from apprise.plugins.google_chat import NotifyGoogleChat
    from apprise.plugins.telegram import NotifyTelegram
    from apprise.plugins.zalo import NotifyZalo

    for plugin, name in ((NotifyTelegram, "telegram"), (NotifyGoogleChat, "google-chat"), (NotifyZalo, "zalo-bot")):
        plugin.notify_url = task["endpoints"].get(name, plugin.notify_url)
    asset = apprise.AppriseAsset(app_id="Fabfleet", app_desc="Fabfleet", app_url="", http_redirects=False)
    sender = apprise.Apprise(asset=asset)
    if not sender.add(task["address"]):
        return False
    return bool(sender.notify(title=task["title"], body=task["body"], body_format=apprise.NotifyFormat.TEXT))


def _by_zalo(task: Mapping[str, Any], text: str, endpoints: Mapping[str, str], witness: Witness) -> dict[str, Any]:
    """A refresh, or a message: one of the two, so that new tokens are kept before anything else is done."""
    try:
        if "refresh_token" in task:
            url = endpoints.get("zalo-tokens", zalo_oa.TOKENS)
            return {"result": Result.SENT, "tokens": zalo_oa.refresh(url, **task)}
        zalo_oa.send(endpoints.get("zalo-oa", zalo_oa.MESSAGES), text=text, **task)
    except zalo_oa.Refused as error:
        bad = error.code in zalo_oa.BAD_TOKEN or "refresh_token" in task
        return {"result": Result.ZALO_TOKEN if bad else Result.ZALO}
    except (requests.RequestException, ValueError):
        return {"result": witness.result()}
    return {"result": Result.SENT}


def main() -> None:
    limit = threading.Timer(LIMIT_S, os._exit, (3,))
    limit.daemon = True
    limit.start()
    logging.disable(logging.CRITICAL)  # what Apprise logs has addresses and tokens in it
    task = json.loads(sys.stdin.read())
    witness = Witness()
    witness.watch(private=task["private"], inside=task["inside"])
    json.dump(attempt(task, witness), sys.stdout)


if __name__ == "__main__":
    main()
