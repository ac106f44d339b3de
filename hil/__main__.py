"""`python -m hil` tells what hardware-in-the-loop tests there are; with arguments it runs pytest on them."""

import sys

import pytest

from hil.farends.pins import PINS

GUIDE = """Tests against far ends: real firmware in simulators, or real machines. About two minutes on two cores.

  make hil ARGS="-m hil"                             everything that needs no machine
  make hil ARGS="hil/test_conformance.py -k MODEL"   one profile against the far end of its bridge
  make hil ARGS="--lab hil/lab.toml"                 the machines of a lab; hil/lab.toml says how to write them down
  make hil ARGS="--lab my-lab.toml --arm -m motion"  what moves them, where the file allows it; so -m heat

Far ends, by bridge:

{far_ends}

Wi-Fi and USB are those of a Linux guest in QEMU (hil/guest), whose kernel comes from Debian:

  make hil ARGS="hil/test_guest_wireless.py hil/test_guest_usb.py"
  make hil ARGS="tests/browser/test_usb_guest.py"    from a click in the browser over USB to the pin of a board

Simulated ones are fetched when a test first needs them, and kept under .cache. One that cannot be had skips its tests
with the reason; with HIL_REQUIRE=1 in the environment, as in continuous integration, it fails them.
"""


def guide() -> str:
    rows = (f"  {bridge:9} {pin}: {pin.what}" for bridge, pins in PINS.items() for pin in pins)
    return GUIDE.format(far_ends="\n".join(rows))


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments:
        named = any(argument.startswith(("hil/test_", "tests/")) for argument in arguments)
        return int(pytest.main(arguments if named else ["hil", *arguments]))
    sys.stdout.write(guide())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
