"""What a bridge told, held against what a profile declares."""

from collections.abc import Mapping

from contract.model import Value, pattern_for
from device_profiles.profile import DeviceProfile


def undeclared(profile: DeviceProfile, told: Mapping[str, Value | None]) -> list[str]:
    """The metrics that were told and that the profile does not declare, or not of that kind."""
    declared = {name: profile.metric(name) for name in told}
    return [name for name, metric in declared.items() if metric is None or not metric.kind.holds(told[name])]


def untold(profile: DeviceProfile, told: Mapping[str, Value | None]) -> list[str]:
    """The metrics that the profile declares and for which nothing was told, not even by the pattern."""
    heard = {pattern_for(name, profile.metrics) for name in told}
    return [name for name in profile.metrics if name not in heard]
