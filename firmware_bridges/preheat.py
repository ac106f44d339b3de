"""What the action `preheat` asks for. Pure."""

from collections.abc import Mapping

from contract.model import Value
from device_profiles import gcode
from firmware_bridges.base import Refused


def targets(args: Mapping[str, Value], limits: gcode.Limits | None) -> dict[str, float]:
    """Degrees Celsius by `nozzle` and `bed`, of those that are given; 0 is off. Raises Refused."""
    if limits is None:
        raise Refused("the profile does not say how hot it may be")
    found: dict[str, float] = {}
    for name, most in (("nozzle", limits.nozzle_c), ("bed", limits.bed_c)):
        wanted = args.get(name)
        if wanted is None:
            continue
        if isinstance(wanted, bool | str) or not 0 <= wanted <= most:
            raise Refused(f"{name}: may be set from 0 to {most:g} °C")
        found[name] = float(wanted)
    if not found:
        raise Refused("preheat wants nozzle, bed or both")
    return found
