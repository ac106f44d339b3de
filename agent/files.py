"""Write small files so that a crash leaves the old or the new one, whole, and nobody else reads what is secret."""

import contextlib
import os
import sys
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file, synced, readable by its owner alone. Raises OSError."""
    draft = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in it last. Windows does so by itself."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hand_over(path: Path, state: Path, mode: int = 0o600) -> None:
    """Root enrols, the account that has `state` reads: what is secret becomes its own, settings (0o640) stay root's."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    account = state.stat()
    if account.st_uid != 0:
        os.chown(path, 0 if mode & 0o040 else account.st_uid, account.st_gid)
        path.chmod(mode)
