"""`fabfleet-agent profile check FILE`: is this device profile right, and does it fit the device?"""

import argparse
from collections.abc import Callable
from pathlib import Path

from agent.errors import WrongConfig
from agent.findings import Verdict
from agent.profile_check import check, options_of, report
from agent.profile_trial import trial
from device_profiles.profile import DeviceProfile, Words

Say = Callable[[str], None]
Spoken = Callable[[Words], str]


def run(given: argparse.Namespace, say: Say, spoken: Spoken) -> int:
    """The exit code. Raises WrongConfig for what cannot be read."""
    path: Path = given.file
    try:
        text = path.read_text("utf-8")
        options = options_of(given.option)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise WrongConfig(f"{path}: {why}") from None
    if given.commands and not given.against:
        raise WrongConfig("--commands is for a device: say which one with --against ENDPOINT")
    slug = f"{path.absolute().parent.name}/{path.stem}"
    checked = check(slug, text)
    for remark in checked.remarks:
        say(spoken(report(str(path), remark)))
    if not checked.good or checked.profile is None:
        return 1
    profile = checked.profile
    say(spoken(_summary(str(path), profile)))
    if not given.against:
        return 0
    worst = Verdict.GOOD
    for finding in trial(profile, given.against, options, commands=given.commands):
        worst = max(worst, finding.verdict, key=tuple(Verdict).index)
        say(f"{finding.verdict:8} {spoken(finding.what)}: {spoken(finding.seen)}")
    return 1 if worst is Verdict.BAD else 0


def _summary(name: str, profile: DeviceProfile) -> Words:
    what, metrics, actions = f"{name}: {profile.name}", len(profile.metrics), len(profile.actions)
    return Words(
        f"{what}, bridge {profile.bridge}: {metrics} values, {actions} actions; the agent loads it",
        f"{what}, trình điều khiển {profile.bridge}: {metrics} đại lượng, {actions} lệnh; agent nạp được",
    )
