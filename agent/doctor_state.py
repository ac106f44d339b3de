"""The doctor's look at what the agent keeps: its folder, the disk, the clock, the lease book, the outbox."""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.batches import BatchState
from agent.config import CREDENTIALS, AgentConfig
from agent.findings import Finding, Trouble, Verdict, good, same
from agent.job_files import FOLDER
from contract.lease import verify
from contract.messages import LeaseBook
from contract.model import ContractError
from contract.wire import decode
from device_profiles.profile import Words

_DISK_SPARE_BYTES = 200 << 20
_BACKLOG = 1_000
"""So many batches in the queue are a quarter of an hour and more."""
_DRIFT_MS = 5_000


def folder(state: Path) -> Finding:
    what = Words("state folder", "thư mục trạng thái")
    try:
        mode = state.stat().st_mode
        probe = state / ".doctor"
        probe.write_bytes(b"x")
        probe.unlink()
    except FileNotFoundError:
        return Trouble(
            "state-missing",
            Words(f"{state} is not there", f"không có {state}"),
            Words(
                "Enrol this agent: fabfleet-agent enrol URL TOKEN. Or name its folder: --state DIR",
                "Đăng ký agent: fabfleet-agent enrol URL TOKEN. Hoặc chỉ rõ thư mục: --state DIR",
            ),
        ).of(what)
    except OSError as error:
        return Trouble(
            "state-unwritable",
            same(f"{state}: {error.strerror}"),
            Words(
                f"Let the agent's account write there: sudo chown -R fabfleet-agent {state}; or ask as that account.",
                f"Cho tài khoản của agent quyền ghi: sudo chown -R fabfleet-agent {state}; hoặc chạy bằng nó.",
            ),
        ).of(what)
    if os.name == "posix" and mode & 0o077:
        return Trouble(
            "state-open",
            Words(f"other accounts can read {state}", f"tài khoản khác đọc được {state}"),
            same(f"sudo chmod 700 {state}"),
            Verdict.DOUBTFUL,
        ).of(what)
    return good("state", what, same(str(state)))


def secret(state: Path) -> Finding:
    """The file with the agent's password and key."""
    what = Words("credentials", "thông tin đăng nhập")
    path = state / CREDENTIALS
    try:
        mode = path.stat().st_mode
    except OSError:
        return Trouble(
            "credentials-missing",
            Words(f"{path} is not there", f"không có {path}"),
            Words("Enrol this agent: fabfleet-agent enrol URL TOKEN", "Đăng ký agent: fabfleet-agent enrol URL TOKEN"),
            Verdict.DOUBTFUL,
        ).of(what)
    if os.name == "posix" and mode & 0o077:
        return Trouble(
            "credentials-open",
            Words(f"other accounts can read {path}", f"tài khoản khác đọc được {path}"),
            Words(f"sudo chmod 600 {path}, and enrol anew", f"sudo chmod 600 {path}, rồi đăng ký lại"),
        ).of(what)
    return good("credentials", what, same(str(path)))


def disk(config: AgentConfig) -> Finding:
    what = Words("disk room", "dung lượng đĩa")
    free = shutil.disk_usage(config.state).free
    kept = sum(path.stat().st_size for path in (config.state / FOLDER).glob("*"))
    limits = config.limits
    wanted = limits.budget_bytes + limits.kept_bytes + max(0, config.job_room.budget - kept) + _DISK_SPARE_BYTES
    seen = same(f"{free >> 20} MB")
    if free >= wanted:
        return good("disk", what, seen)
    short = (wanted - free >> 20) + 1
    return Trouble(
        "disk-low",
        seen,
        Words(
            f"Free {short} MB, or lower files.budget_mb and outbox.budget_mb in agent.toml.",
            f"Giải phóng {short} MB, hoặc giảm files.budget_mb và outbox.budget_mb trong agent.toml.",
        ),
        Verdict.BAD if free < _DISK_SPARE_BYTES else Verdict.DOUBTFUL,
    ).of(what)


def clock(*, certain: bool, offset_ms: int | None) -> Finding:
    """`offset_ms`: the controller's clock minus ours, None if it was not heard."""
    what = Words("clock", "đồng hồ")
    cure = Words(
        "Switch on time synchronisation: sudo timedatectl set-ntp true",
        "Bật đồng bộ giờ: sudo timedatectl set-ntp true",
    )
    if offset_ms is not None and abs(offset_ms) >= _DRIFT_MS:
        seconds = abs(offset_ms) // 1000
        english, vietnamese = ("behind", "chậm") if offset_ms > 0 else ("ahead of", "nhanh")
        return Trouble(
            "clock-off",
            Words(f"{seconds} s {english} the server's", f"{vietnamese} {seconds} s so với máy chủ"),
            cure,
            Verdict.DOUBTFUL,
        ).of(what)
    if certain:
        return good("clock", what, Words("certain", "chắc chắn đúng"))
    return Trouble(
        "clock-uncertain",
        Words("not synchronised", "chưa đồng bộ"),
        Words(
            f"{cure.en}. Until then, or until the server is heard, dangerous machines stay locked.",
            f"{cure.vi}. Cho đến lúc đó, hoặc khi liên lạc được máy chủ, máy nguy hiểm vẫn bị khóa.",
        ),
        Verdict.DOUBTFUL,
    ).of(what)


def leases(config: AgentConfig, now_ms: int) -> Finding:
    what = Words("lease book", "sổ nhận máy")
    try:
        book = decode(LeaseBook, (config.state / "leases.json").read_bytes())
    except FileNotFoundError:
        guarded = any(action.guarded for device in config.devices for action in device.profile.actions.values())
        none = Words("none yet", "chưa có")
        if not guarded:
            return good("leases", what, none)
        return Trouble(
            "leases-none",
            none,
            Words(
                "Nothing to mend: the server sends it when somebody takes a machine. Until then guarded actions are"
                " refused.",
                "Không cần sửa: máy chủ sẽ gửi khi có người nhận máy. Trước đó các lệnh cần nhận máy bị từ chối.",
            ),
            Verdict.DOUBTFUL,
        ).of(what)
    except (OSError, ContractError) as error:
        return _unusable_book(str(error)).of(what)
    if book.agent != str(config.address) or not config.lease_key or not verify(book, config.lease_key):
        return _unusable_book("not signed for this agent").of(what)
    held = [each for each in book.leases if each.from_ms <= now_ms < each.until_ms]
    names = ", ".join(f"{each.device} ({each.holder}, {_time(each.until_ms)})" for each in held)
    age = max(0, now_ms - book.issued_ms) // 60_000
    edition = f"{book.generation}.{book.number}"
    return good(
        "leases",
        what,
        Words(
            f"{edition}, {_age(age, 'min', 'h', 'days')} old; held now: {names or 'none'}",
            f"{edition}, từ {_age(age, 'phút', 'giờ', 'ngày')} trước; đang được nhận: {names or 'không có'}",
        ),
    )


def _unusable_book(why: str) -> Trouble:
    return Trouble(
        "leases-unusable",
        same(why),
        Words(
            "The server sends it again at the next connection; if this stays, enrol the agent again.",
            "Máy chủ sẽ gửi lại ở lần kết nối sau; nếu vẫn còn lỗi, đăng ký lại agent.",
        ),
    )


def _age(minutes: int, *units: str) -> str:
    if minutes < 120:
        return f"{minutes} {units[0]}"
    return f"{minutes // 60} {units[1]}" if minutes < 2_880 else f"{minutes // 1440} {units[2]}"


def _time(at_ms: int) -> str:
    return time.strftime("%H:%M", time.localtime(at_ms / 1000))


def running_outbox(figures: Mapping[str, Any], budget_bytes: int) -> Finding:
    """Of an agent that runs, as it tells it."""
    if figures["waiting"]:
        return Trouble(
            "outbox-stalled",
            Words(f"the disk takes nothing: {figures['stalled_why']}", f"đĩa không ghi được: {figures['stalled_why']}"),
            Words("Free room on the disk, or replace it.", "Giải phóng đĩa, hoặc thay đĩa."),
        ).of(_OUTBOX)
    to_send = sum(int(figures[state]) for state in ("fresh", "attempted", "recalled"))
    return _outbox(to_send, int(figures["unacked_bytes"]), budget_bytes)


def outbox(config: AgentConfig) -> Finding:
    """Of an agent that does not run: looked at, not touched."""
    path = config.state / "outbox.db"
    if not path.exists():
        return good("outbox", _OUTBOX, Words("empty", "trống"))
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            sent = (BatchState.ACKED,)
            count, size = db.execute("SELECT count(*), total(size) FROM batch WHERE state < ?", sent).fetchone()
    except sqlite3.Error as error:
        return Trouble(
            "outbox-unreadable",
            same(f"{path}: {error}"),
            Words(
                "Start the agent: it sets a damaged outbox aside and begins a new one.",
                "Khởi động agent: nó cất hộp gửi hỏng sang bên và tạo hộp mới.",
            ),
            Verdict.DOUBTFUL,
        ).of(_OUTBOX)
    return _outbox(count, int(size), config.limits.budget_bytes)


_OUTBOX = Words("outbox", "hộp gửi")


def _outbox(count: int, size: int, budget_bytes: int) -> Finding:
    seen = Words(f"{count} to send", f"{count} gói chờ gửi")
    if size > 0.8 * budget_bytes:
        return Trouble(
            "outbox-full",
            seen,
            Words(
                "Soon the oldest readings are thinned out. Bring the server back, or raise outbox.budget_mb.",
                "Sắp phải bỏ bớt số liệu cũ nhất. Khôi phục máy chủ, hoặc tăng outbox.budget_mb.",
            ),
            Verdict.DOUBTFUL,
        ).of(_OUTBOX)
    if count > _BACKLOG:
        return Trouble(
            "outbox-backlog",
            seen,
            Words(
                "Nothing is lost: it goes out by itself once the server is there. If it is, wait some minutes.",
                "Không mất gì: sẽ tự gửi khi có máy chủ. Nếu máy chủ đang có, chờ vài phút.",
            ),
            Verdict.DOUBTFUL,
        ).of(_OUTBOX)
    return good("outbox", _OUTBOX, seen)
