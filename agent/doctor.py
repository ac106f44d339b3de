"""Looks whether an agent can do its work here, and says in plain words how to mend what it cannot."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent.clock import Clock
from agent.config import AgentConfig, DeviceConfig, load_config
from agent.connection import refusal_of
from agent.control import ask
from agent.errors import NotRunning, WrongConfig
from agent.main import make_bridge
from device_profiles.profile import Words
from firmware_bridges.base import BridgeError

_DISK_SPARE_BYTES = 200 << 20
_NOTHING = Words("", "")


class Verdict(StrEnum):
    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was seen, and how to mend it (nothing to say when all is well)."""

    verdict: Verdict
    what: Words
    seen: str
    cure: Words = _NOTHING


def examine(config_file: Path, state: Path, clock: Clock) -> Iterator[Finding]:
    """Look at everything in turn; each finding is told as it is made."""
    yield _folder(state)
    try:
        config = load_config(config_file, state)
    except WrongConfig as error:
        yield Finding(
            Verdict.BAD,
            Words("configuration", "cấu hình"),
            str(error),
            Words("Correct the file at the key that is named.", "Sửa tệp tại khóa được nêu."),
        )
        return
    yield Finding(Verdict.GOOD, Words("configuration", "cấu hình"), str(config_file))
    yield _disk(config)
    try:
        running = ask(state, "status")
    except NotRunning:
        yield _clock(certain=clock.certain)
        yield _broker(config)
        for device in config.devices:
            yield _device(device)
        return
    yield _clock(certain=running["clock"]["certain"])
    yield _running_broker(config, running["uplink"])
    for entry in running["devices"]:
        yield _running_device(entry)


def _folder(state: Path) -> Finding:
    what = Words("state folder", "thư mục trạng thái")
    probe = state / ".doctor"
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        user = os.environ.get("USER", "")
        return Finding(
            Verdict.BAD,
            what,
            f"{state}: {error.strerror}",
            Words(
                f"Let the agent's user write there: chown -R {user or 'fabfleet-agent'} {state}",
                f"Cho người dùng của agent quyền ghi: chown -R {user or 'fabfleet-agent'} {state}",
            ),
        )
    return Finding(Verdict.GOOD, what, str(state))


def _disk(config: AgentConfig) -> Finding:
    what = Words("disk room", "dung lượng đĩa")
    free = shutil.disk_usage(config.state).free
    wanted = config.limits.budget_bytes + config.limits.kept_bytes + _DISK_SPARE_BYTES
    seen = f"{free >> 20} MB"
    if free >= wanted:
        return Finding(Verdict.GOOD, what, seen)
    return Finding(
        Verdict.DOUBTFUL,
        what,
        seen,
        Words(
            f"Free {wanted - free >> 20} MB, or lower outbox.budget_mb in the configuration.",
            f"Giải phóng {wanted - free >> 20} MB, hoặc giảm outbox.budget_mb trong cấu hình.",
        ),
    )


def _clock(*, certain: bool) -> Finding:
    what = Words("clock", "đồng hồ")
    if certain:
        return Finding(Verdict.GOOD, what, "certain")
    return Finding(
        Verdict.DOUBTFUL,
        what,
        "not synchronised",
        Words(
            "Switch on time synchronisation (timedatectl set-ntp true); until the server is heard, dangerous machines"
            " stay locked.",
            "Bật đồng bộ giờ (timedatectl set-ntp true); khi chưa liên lạc được máy chủ, máy nguy hiểm vẫn bị khóa.",
        ),
    )


def _broker(config: AgentConfig) -> Finding:
    what = Words("broker", "máy chủ tin nhắn")
    where = f"{config.broker.host}:{config.broker.port}"
    try:
        refused = refusal_of(config.broker, config.address)
    except OSError as error:
        return Finding(
            Verdict.BAD,
            what,
            f"{where}: {error}",
            Words(
                "Look at the network cable or Wi-Fi, at broker.host and broker.port, and whether the server runs.",
                "Kiểm tra cáp mạng hoặc Wi-Fi, broker.host và broker.port, và xem máy chủ có chạy không.",
            ),
        )
    if refused:
        return Finding(
            Verdict.BAD,
            what,
            f"{where}: {refused}",
            Words(
                "Enrol this agent again: fabfleet-agent enrol URL TOKEN",
                "Đăng ký lại agent: fabfleet-agent enrol URL TOKEN",
            ),
        )
    return Finding(Verdict.GOOD, what, where)


def _running_broker(config: AgentConfig, uplink: dict[str, object]) -> Finding:
    what = Words("broker", "máy chủ tin nhắn")
    where = f"{config.broker.host}:{config.broker.port}"
    if uplink["online"]:
        return Finding(Verdict.GOOD, what, where)
    return Finding(
        Verdict.BAD,
        what,
        f"{where}: {uplink['why']}",
        Words("Look at the network and whether the server runs.", "Kiểm tra mạng và xem máy chủ có chạy không."),
    )


def _running_device(entry: dict[str, object]) -> Finding:
    what = Words(f"device {entry['id']}", f"thiết bị {entry['id']}")
    good = entry["state"] == "open"
    return Finding(
        Verdict.GOOD if good else Verdict.BAD,
        what,
        f"{entry['state']} {entry['detail']}".strip(),
        _NOTHING if good else _device_cure(str(entry["identity"]), str(entry["detail"])),
    )


def _device(device: DeviceConfig) -> Finding:
    what = Words(f"device {device.id}", f"thiết bị {device.id}")
    try:
        bridge = make_bridge(device)
        try:
            bridge.open()
            values = bridge.poll()
        finally:
            bridge.close()
    except BridgeError as error:
        return Finding(Verdict.BAD, what, str(error), _device_cure(device.endpoint, str(error)))
    return Finding(Verdict.GOOD, what, f"{sum(value is not None for value in values.values())} values")


def _device_cure(endpoint: str, problem: str) -> Words:
    if "ermission" in problem and sys.platform != "win32":
        return Words(
            f"Let the agent's user open {endpoint}: usermod -aG dialout fabfleet-agent, then restart the agent.",
            f"Cho người dùng của agent mở {endpoint}: usermod -aG dialout fabfleet-agent, rồi khởi động lại agent.",
        )
    return Words(
        f"Look whether the device is on and its cable sits well; its endpoint is {endpoint or 'this computer'}.",
        f"Xem thiết bị đã bật và cáp đã cắm chặt chưa; địa chỉ của nó là {endpoint or 'máy tính này'}.",
    )
