"""Record what the bridges and the equipment of hil.farends say to one another: `python -m hil.record_equipment FOLDER`.

The transcripts of tests/transcripts/equipment are made by this; a core is held to them at every size of piece.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from contract.model import Value
from device_profiles.profile import DeviceProfile, load
from firmware_bridges import bridge_for
from firmware_bridges.base import Link
from firmware_bridges.links import open_link
from firmware_bridges.record import RecordedLink
from hil.farends.simulated_equipment import PROMPT, SimulatedEquipment
from hil.farends.transcript import header

EQUIPMENT: Mapping[str, str] = {
    "viewsonic/ifp": "viewsonic",
    "benq/rp": "benq-board",
    "smart/board-mx": "smart",
    "benq/rs232-projector": "benq-projector",
    "epson/escvp21": "epson",
    "optoma/projector": "optoma",
    "samsung/qb": "samsung",
    "samsung/flip": "samsung",
    "tasmota/plug": "tasmota",
    "shelly/plus-plug-s": "shelly",
}
"""Profile -> the kind of equipment that it is driven against."""


def arguments(profile: DeviceProfile, action: str) -> dict[str, Value]:
    """Some that the action takes."""
    given: Mapping[str, Value] = {"percent": 33, "on": True, "input": first_input(profile)}
    return {name: given[name] for name in profile.actions[action].args}


def first_input(profile: DeviceProfile) -> str:
    if profile.bridge != "line_protocol" or "input" not in profile.actions:
        return "HDMI 2"
    return str(next(iter(profile.options["actions"]["input"]["args"]["input"]["choices"])))


def ordered(profile: DeviceProfile) -> list[str]:
    """On first, off last."""
    return sorted(profile.actions, key=lambda name: (name.endswith("-off"), not name.endswith("-on")))


def record(slug: str, folder: Path) -> None:
    profile = load(slug)
    equipment = SimulatedEquipment(EQUIPMENT[slug])
    with (folder / f"{slug.replace('/', '-')}.txt").open("w", encoding="utf-8") as out:
        out.write(header({"profile": slug, "far end": f"hil.farends.equipment {EQUIPMENT[slug]}"}))

        def opened(endpoint: str, *, baud: int, timeout_s: float) -> Link:
            link = open_link(endpoint, baud=baud, timeout_s=timeout_s)
            return RecordedLink(link, out, lambda: time.monotonic_ns() // 1_000_000)

        with mock.patch("firmware_bridges.dialogue.open_link", opened):
            bridge = bridge_for(profile.bridge, equipment.endpoint, {**profile.options, **PROMPT})
            bridge.open()
            bridge.poll()
            for action in ordered(profile):
                bridge.execute(action, arguments(profile, action))
            bridge.close()
    equipment.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for slug in EQUIPMENT:
        record(slug, folder)


if __name__ == "__main__":
    main()
