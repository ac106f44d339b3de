"""`fabfleet-agent do`: ask the running agent for an action, and say in plain words what came of it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from agent.control import ask
from agent.errors import NoAnswer
from agent.job_files import FOLDER, bring
from agent.local import WAIT_S
from contract.model import CommandStatus
from device_profiles.profile import DIGEST, PATH, Words

_MARGIN_S = 10.0


class Exit(IntEnum):
    """What a script can rely on. 2 is for what could not be asked at all."""

    DONE = 0
    NOT_DONE = 1
    LOOK_YOURSELF = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What to tell whoever asked."""

    words: Words
    code: Exit


def do(state: Path, device: str, action: str, arguments: Sequence[str]) -> Said:
    """Ask and wait. `arguments` are `name=text`. A job file is given as `path=FILE` or as `digest=SHA256`.

    The file is put where the agent finds it: whoever asks can often read what the agent's account cannot.
    Raises NoFile, NotRunning.
    """
    args = {name: text for name, _, text in (each.partition("=") for each in arguments)}
    if PATH in args:
        source = Path(args.pop(PATH))
        args |= {DIGEST: bring(state / FOLDER, source), "name": args.get("name", source.name)}
    by = os.environ.get("SUDO_USER") or os.environ.get("USER") or os.environ.get("USERNAME", "")
    try:
        return said(ask(state, "do", timeout_s=WAIT_S + _MARGIN_S, device=device, action=action, args=args, by=by))
    except NoAnswer:
        return Said(_NOBODY_KNOWS, Exit.LOOK_YOURSELF)


def said(answer: Mapping[str, Any]) -> Said:
    """The agent's answer in words."""
    if error := answer.get("error"):
        return Said(Words(str(error), str(error)), Exit.NOT_DONE)
    detail = str(answer["detail"])
    takes = ", ".join(answer.get("takes", ())) or "-"
    match answer["status"]:
        case CommandStatus.DONE:
            return Said(Words("Done.", "Xong."), Exit.DONE)
        case CommandStatus.REFUSED | CommandStatus.EXPIRED:
            why = _REFUSALS.get(detail, Words(detail, detail))
            return Said(
                Words(
                    f"Refused, nothing was done: {why.en.format(takes=takes)}",
                    f"Bị từ chối, chưa làm gì: {why.vi.format(takes=takes)}",
                ),
                Exit.NOT_DONE,
            )
        case CommandStatus.FAILED:
            return Said(Words(f"Failed: {detail}", f"Không thành công: {detail}"), Exit.NOT_DONE)
        case _:
            return Said(_NOBODY_KNOWS, Exit.LOOK_YOURSELF)


_NOBODY_KNOWS = Words(
    "No outcome yet: the machine is busy or hangs. Look at the machine before you ask again.",
    "Chưa rõ kết quả: máy đang bận hoặc không trả lời. Kiểm tra tại máy trước khi gửi lại.",
)
_REFUSALS: Mapping[str, Words] = {
    "no-such-device": Words(
        "this agent has no such device. It has: {takes}", "agent này không có thiết bị đó. Có: {takes}"
    ),
    "no-such-action": Words(
        "this device has no such action. It has: {takes}", "thiết bị này không có lệnh đó. Có: {takes}"
    ),
    "bad-arguments": Words(
        "these are not its arguments. It takes: {takes}", "tham số không đúng. Lệnh này cần: {takes}"
    ),
    "busy": Words("too many commands wait for this device already.", "đã có quá nhiều lệnh chờ thiết bị này."),
    "journal": Words(
        "the disk takes nothing, so no record could be kept. `fabfleet-agent doctor` says more.",
        "đĩa không ghi được nên không lưu được nhật ký lệnh. Chạy `fabfleet-agent doctor` để xem thêm.",
    ),
    "stopped": Words("somebody stopped the machine before it began.", "đã có người dừng máy trước khi lệnh bắt đầu."),
    "expired": Words(
        "its time ran out before the machine was free. It will not begin by itself.",
        "hết thời hạn trước khi máy rảnh. Lệnh sẽ không tự chạy lại.",
    ),
    "no-lease": Words(
        "nobody has taken this machine for now. Book it, or ask a teacher to take it on the page.",
        "hiện chưa có ai nhận máy này. Hãy đặt máy, hoặc nhờ giáo viên nhận máy trên trang.",
    ),
    "clock-uncertain": Words(
        "this computer is not sure of the time, and the machine is a dangerous one. See `fabfleet-agent doctor`.",
        "máy tính này chưa chắc giờ đúng, mà đây là máy nguy hiểm. Xem `fabfleet-agent doctor`.",
    ),
    "no-supervisor": Words(
        "the server is not there, and no supervising adult has checked in at this dangerous machine.",
        "không liên lạc được máy chủ, và chưa có người lớn giám sát điểm danh tại máy nguy hiểm này.",
    ),
}
