"""What only a Raspberry Pi has. The kernel's raspberrypi-hwmon driver shows the firmware's under-voltage alarm."""

from pathlib import Path
from typing import Final

_HWMON: Final = Path("/sys/class/hwmon")


def under_voltage(hwmon: Path = _HWMON) -> bool | None:
    """Whether the firmware saw the supply too low since the last look; None on other machines."""
    for name in hwmon.glob("*/name"):
        try:
            if name.read_text("ascii", "replace").strip() == "rpi_volt":
                return (name.parent / "in0_lcrit_alarm").read_text("ascii", "replace").strip() == "1"
        except OSError:
            continue
    return None
