"""What every bridge to a printer with a server of its own is told, and how it waits for that printer's word."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from contract.model import Value
from device_profiles import gcode
from firmware_bridges import job_file
from firmware_bridges.base import BadReply, Refused
from firmware_bridges.options import Options
from firmware_bridges.printer_view import PrinterView, State
from firmware_bridges.rest import Patience
from firmware_bridges.secret import Secret
from firmware_bridges.wire import Site, parse_site

USUAL: Final = Patience(connect_s=5.0, reply_s=5.0, upload_s=120.0)
CONFIRM_S: Final = 60.0
"""How long a machine may take to do what it was told."""
_ASK_AGAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class PrinterServer:
    """Where it is, the key it wants, and what a job may ask for.

    Options: `key` or `key_file`; with https `ca_file`, the certificates to trust, or `fingerprint`, the SHA-256 of the
    server's own; `connect_s`, `reply_s`, `confirm_s`, `upload_s` in seconds; `[limits]` (device_profiles.gcode).
    """

    site: Site
    key: Secret
    patience: Patience
    confirm_s: float
    limits: gcode.Limits | None
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def job(self, args: Mapping[str, Value]) -> job_file.JobFile:
        """Of the action `print`, checked. Raises Refused."""
        return job_file.opened_print(args, self.limits)

    def until(self, look: Callable[[], PrinterView], reached: Callable[[PrinterView], bool], wrong: str) -> None:
        """Wait until the machine itself says that it is so. Raises BadReply, naming what is `wrong`."""
        deadline = self.clock() + self.confirm_s
        while not reached(look()):
            if self.clock() >= deadline:
                raise BadReply(f"the printer said yes and {wrong} within {self.confirm_s:g} s")
            self.pause(_ASK_AGAIN_S)

    def unknown(self) -> Refused:
        """It wants to know who asks."""
        return Refused(f"{self.site.authority} wants a key or a password, or another one")


def told(endpoint: str, given: Options, port: int, usual: Patience = USUAL) -> PrinterServer:
    """Take these options; `port` where `http://host` names none. Raises ValueError."""
    site = parse_site(endpoint, given.text("ca_file"), port, given.text("fingerprint"))
    key = Secret(given)
    patience = Patience(
        given.number("connect_s", usual.connect_s, 0.1, 60),
        given.number("reply_s", usual.reply_s, 0.1, 60),
        given.number("upload_s", usual.upload_s, 0.1, 3600),
    )
    confirm_s = given.number("confirm_s", CONFIRM_S, 0.1, 3600)
    limits = given.table("limits")
    return PrinterServer(site, key, patience, confirm_s, gcode.limits(limits) if limits else None)


def expect(view: PrinterView, state: State) -> None:
    """Raises Refused, saying how the printer is instead."""
    if view.state is not state:
        raise not_now(view)


def not_now(view: PrinterView) -> Refused:
    return Refused(f"the printer is {view.state}{f' ({view.fault})' if view.fault else ''}")
