"""Keep the process small: it runs beside a lesson. Call `save_memory` before the first thread starts."""

import sys
import threading

_STACK_BYTES = 256 * 1024
_M_ARENA_MAX = -8


def save_memory() -> None:
    """Small stacks for threads, and one heap for all of them instead of one for each few."""
    threading.stack_size(_STACK_BYTES)
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except (OSError, AttributeError):
        return  # another C library, which has no such setting
