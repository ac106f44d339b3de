"""A state folder that a restart takes away is told of, and one that lasts is not."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from agent.doctor_frozen import frozen, on_unix, on_windows

STATE = PurePosixPath("/var/lib/fabfleet/agent")


@dataclass(frozen=True, slots=True)
class Part:
    mountpoint: str
    fstype: str


@pytest.mark.parametrize(
    ("mounted", "code"),
    [
        ([Part("/", "ext4")], "state-lasting"),
        ([Part("/", "overlay")], "state-frozen"),
        ([Part("/", "overlay"), Part("/var/lib/fabfleet", "ext4")], "state-lasting"),
        ([Part("/", "ext4"), Part("/var/lib", "tmpfs"), Part("/var/lib/fab", "ext4")], "state-frozen"),
        ([], "state-lasting"),
    ],
)
def test_folder_is_judged_by_the_file_system_it_is_on(mounted: list[Part], code: str) -> None:
    assert on_unix(STATE, mounted).code == code


@pytest.mark.parametrize(
    ("drive", "freezers", "code"),
    [
        ("C:", [], "state-lasting"),
        ("c:", ["Deep Freeze"], "state-frozen"),
        ("D:", ["Deep Freeze"], "state-lasting"),
    ],
)
def test_folder_on_a_frozen_system_drive_is_told_with_the_cure(drive: str, freezers: list[str], code: str) -> None:
    finding = on_windows(drive, "C:", freezers)
    assert finding.code == code
    assert ("FABFLEET_STATE" in finding.cure.en) == (code == "state-frozen")


def test_this_computer_can_be_judged(tmp_path: Path) -> None:
    assert frozen(tmp_path).code in {"state-lasting", "state-frozen"}
