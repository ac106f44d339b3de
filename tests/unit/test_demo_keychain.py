"""The demo's sample is a file that a printer's own rules let pass, and that takes a lesson's quarter of an hour."""

import pytest

from controller.demo.keychain import gcode
from device_profiles.gcode import limits, review
from device_profiles.profile import load


@pytest.mark.parametrize("profile", ["creality/ender-3", "prusa/mk3s"])
def test_sample_is_allowed_on_every_printer_that_there_is_a_profile_for(profile: str) -> None:
    found = review(gcode().splitlines(), limits(load(profile).options["limits"]))
    assert found.problems == ()
    assert 12 * 60 < found.duration_s < 18 * 60
    assert 2.0 < found.filament_g < 5.0
    assert (found.hottest_nozzle_c, found.hottest_bed_c) == (200.0, 60.0)


def test_sample_switches_everything_off_at_its_end() -> None:
    end = gcode().splitlines()[-8:]
    assert {"M107", "M104 S0", "M140 S0", "M84"} <= set(end)


def test_sample_leaves_the_hole_open() -> None:
    """No filament crosses the hole: 3 mm round its middle, in any layer."""
    at = (0.0, 0.0)
    for line in gcode().splitlines():
        words = {word[0]: float(word[1:]) for word in line.split()[1:] if line[0] == "G" and word[0] in "XYE"}
        if "X" in words and "Y" in words:
            to = (words["X"], words["Y"])
            middle = ((at[0] + to[0]) / 2 - 90.0, (at[1] + to[1]) / 2 - 110.0)
            if "E" in words:
                assert middle[0] ** 2 + middle[1] ** 2 > 3.0**2, line
            at = to
