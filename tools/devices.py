"""Write docs/devices.md from the profiles and the far ends' pins; `--check` fails if it differs."""

import sys
from collections.abc import Iterable
from itertools import groupby

from device_profiles.profile import DeviceProfile, load, slugs
from firmware_bridges import BRIDGES, bridge_for
from hil.farends.pins import PINS
from tools.documents import FOLDER, keep, markdown

DOCUMENT = FOLDER / "devices.md"
HEAD = """# Devices

Written by `python -m tools.devices`; `make check` holds it to the profiles. To add one: [new-device.md](new-device.md).

**Proven with** names the far end that every test run drives the model's bridge against. An **unverified** model speaks
a language that is proven with another one; its own facts come from the source that is named. The machines themselves
were driven only where it says so.

A lease is enforced by *commands* (the agent refuses them), by *power* (a relay) or not at all (*none*). Actions with a
\\* need a lease.
"""
LINKS = {
    "serial port": "/dev/ttyUSB0",
    "`rfc2217://`": "rfc2217://192.0.2.1:1",
    "`tcp://`": "tcp://192.0.2.1:1",
    "`udp://`": "udp://192.0.2.1:1",
    "`http://`": "http://192.0.2.1:1",
    "`https://`": "https://192.0.2.1:1",
    "`mqtt://`": "mqtt://192.0.2.1/device",
    "`mqtts://`": "mqtts://192.0.2.1/device",
}
"""Kinds of endpoints, with one of each."""
DEMONSTRATION = "simulated"


def document() -> str:
    """The whole text."""
    profiles = sorted(map(load, slugs()), key=lambda each: (each.family, each.slug))
    real = [profile for profile in profiles if profile.bridge != DEMONSTRATION]
    parts = [HEAD]
    for family, members in groupby(real, key=lambda each: each.family):
        parts.append(f"## {family}\n\n{_table(members)}")
    parts.append(_far_ends())
    shown = ", ".join(f"`{profile.slug}`" for profile in profiles if profile.bridge == DEMONSTRATION)
    parts.append(f"## Only for the demonstration\n\n{shown}: no machine is behind them.\n")
    return "\n".join(parts)


def _table(profiles: Iterable[DeviceProfile]) -> str:
    rows = [
        (
            f"{profile.name}<br>`{profile.slug}`",
            f"`{profile.bridge}`: {links(profile.bridge)}",
            _actions(profile),
            str(profile.enforces),
            _proof(profile),
        )
        for profile in profiles
    ]
    return markdown(("model", "bridge, reached by", "actions", "lease", "proof and sources"), rows)


def links(bridge: str) -> str:
    """The kinds of endpoints that a bridge takes: those it can be made with."""
    if _takes(bridge, ""):
        return "this computer itself"
    return ", ".join(kind for kind, endpoint in LINKS.items() if _takes(bridge, endpoint))


def _takes(bridge: str, endpoint: str) -> bool:
    try:
        bridge_for(bridge, endpoint, {})
    except ValueError:
        return False
    return True


def _actions(profile: DeviceProfile) -> str:
    return ", ".join(f"{name}{'*' if action.guarded else ''}" for name, action in profile.actions.items()) or "none"


def _proof(profile: DeviceProfile) -> str:
    told = f"Proven with {profile.verified.en}." if profile.verified else "**Unverified.**"
    return f"{told} Source: {profile.source.en}." if profile.source else told


def _far_ends() -> str:
    rows = [
        (f"`{bridge}`", pin.name, pin.version or "–", pin.origin or "–", pin.what)
        for bridge in BRIDGES
        for pin in PINS.get(bridge, ())
    ]
    return f"## Far ends\n\n{markdown(('bridge', 'far end', 'version', 'from', 'what it is'), rows)}"


def main() -> int:
    return keep(DOCUMENT, document, "python -m tools.devices", __doc__)


if __name__ == "__main__":
    sys.exit(main())
