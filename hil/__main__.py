"""`python -m hil` tells what hardware-in-the-loop tests there are; with arguments it runs pytest on them."""

import sys

import pytest

GUIDE = """Tests against far ends: real firmware in simulators, or real machines.

  make hil ARGS="-m hil"                             everything that needs no machine
  make hil ARGS="--lab hil/lab.toml"                 the machines of a lab; hil/lab.toml says how to write them down
  make hil ARGS="--lab my-lab.toml --arm -m motion"  what moves them, where the file allows it

Simulated far ends are fetched when a test first needs them, and kept under .cache. One that cannot be had skips its
tests with the reason; with HIL_REQUIRE=1 in the environment, as in continuous integration, it fails them.
"""


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments:
        named = any(argument.startswith("hil/") for argument in arguments)
        return int(pytest.main(arguments if named else ["hil", *arguments]))
    sys.stdout.write(GUIDE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
