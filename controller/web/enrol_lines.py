"""The lines that add a computer, one for each system, and whether the address in them leads anywhere."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from markupsafe import Markup

from controller.config import is_loopback
from controller.web.i18n import Language


@dataclass(frozen=True, slots=True)
class Commands:
    """One line for each system, with what its package brings: install/windows, systemd. Each starts the agent."""

    linux: str
    windows: str
    doubt: Markup | None
    """Why other computers can do nothing with them; None if nothing is known against it."""
    phones: bool
    """Whether a phone may reach the address."""


def commands(base: str, token: str, words: Language) -> Commands:
    """`base`: the address of the pages, as other computers are to reach it."""
    return Commands(
        linux=f"sudo fabfleet-agent enrol {base} {token} && sudo systemctl restart fabfleet-agent",
        windows=rf"powershell -ExecutionPolicy Bypass -File .\install.ps1 -Server {base} -Token {token}",
        doubt=_doubt(base, words),
        phones=not _here_only(base),
    )


def _doubt(base: str, words: Language) -> Markup | None:
    if _here_only(base):
        return words.t(
            "The lines lead to {address}, where only the server finds itself. For other computers open this page by "
            "the address that they use, or set notices.public_url in the server's settings.",
            address=base,
        )
    if urlsplit(base).scheme != "https":
        return words.t(
            "The lines lead to {address}, and over a network agents take HTTPS alone. Set notices.public_url in the "
            "server's settings to an address that begins with https://.",
            address=base,
        )
    return None


def _here_only(base: str) -> bool:
    return is_loopback(urlsplit(base).hostname or "")
