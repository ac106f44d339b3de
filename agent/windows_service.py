"""The agent as a Windows service, by advapi32 through ctypes: see ADR 030 and "Services" in the Windows API reference.

A service that ends otherwise than by a stop is started again by Windows. A hung one ends itself: `faulthandler` has a
thread of its own that needs nothing of Python's, and is put off by each beat of the agent.
"""

import sys

if sys.platform == "win32":
    import contextlib
    import ctypes
    import faulthandler
    import threading
    from collections.abc import Callable
    from ctypes import wintypes
    from enum import IntEnum
    from pathlib import Path
    from typing import Any, TextIO

    from agent.errors import AgentError, ServiceFailed

    NAME = "FabfleetAgent"
    DISPLAY_NAME = "Fabfleet agent"
    ACCOUNT = rf"NT SERVICE\{NAME}"
    """An account that Windows makes for this service alone."""
    HUNG_AFTER_S = 120.0
    _OWN_PROCESS = 0x10
    _ACCEPT_STOP_AND_SHUTDOWN = 0x1 | 0x4
    _ALL_ACCESS = 0xF01FF
    _AUTO_START = 2
    _NORMAL_ERROR = 1
    _SPECIFIC_ERROR = 1066  # ERROR_SERVICE_SPECIFIC_ERROR
    _ALREADY_THERE = 1073  # ERROR_SERVICE_EXISTS
    _STARTING_MS = 60_000
    _ENDING_MS = 20_000

    class State(IntEnum):
        STOPPED = 1
        START_PENDING = 2
        STOP_PENDING = 3
        RUNNING = 4

    class Control(IntEnum):
        STOP = 1
        INTERROGATE = 4
        SHUTDOWN = 5

    class _Status(ctypes.Structure):
        _fields_ = [
            (name, wintypes.DWORD)
            for name in ("type", "state", "accepted", "exit_code", "specific_code", "checkpoint", "wait_hint_ms")
        ]

    _Main = ctypes.WINFUNCTYPE(None, wintypes.DWORD, ctypes.c_void_p)
    _Handler = ctypes.WINFUNCTYPE(wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p)

    class _Entry(ctypes.Structure):
        _fields_ = [("name", wintypes.LPWSTR), ("main", _Main)]

    class _Action(ctypes.Structure):
        _fields_ = [("kind", ctypes.c_int), ("delay_ms", wintypes.DWORD)]

    class _FailureActions(ctypes.Structure):
        _fields_ = [
            ("reset_s", wintypes.DWORD),
            ("reboot_message", wintypes.LPWSTR),
            ("command", wintypes.LPWSTR),
            ("number", wintypes.DWORD),
            ("actions", ctypes.POINTER(_Action)),
        ]

    def _advapi() -> Any:
        api = ctypes.WinDLL("advapi32", use_last_error=True)
        for name in ("RegisterServiceCtrlHandlerExW", "OpenSCManagerW", "OpenServiceW", "CreateServiceW"):
            getattr(api, name).restype = ctypes.c_void_p
        return api

    class Service:
        """What Windows hears of the agent; a Manager, see agent/service.py. `log` is where a hang leaves its stacks."""

        def __init__(self, log: TextIO) -> None:
            self.stop = threading.Event()
            self._api = _advapi()
            self._log = log
            self._handle = ctypes.c_void_p()
            self._state = State.START_PENDING
            self._keep: list[object] = []  # what Windows calls must not be collected

        def serve(self, work: Callable[[], int]) -> None:
            """Run `work` as the service that this process was started as; its result is the service's exit code.

            Raises ServiceFailed in a process that Windows did not start as a service.
            """

            def main(_count: int, _arguments: int) -> None:
                self._handle = ctypes.c_void_p(self._api.RegisterServiceCtrlHandlerExW(NAME, handler, None))
                self._tell(State.START_PENDING)
                code = 1
                try:
                    code = work()
                finally:
                    faulthandler.cancel_dump_traceback_later()
                    self._tell(State.STOPPED, code)

            handler = _Handler(self._control)
            table = (_Entry * 2)(_Entry(NAME, _Main(main)), _Entry(None, _Main()))
            self._keep = [handler, table]
            if not self._api.StartServiceCtrlDispatcherW(table):
                raise _failed("this is for Windows to start, as a service")

        def waiting(self) -> None:
            """It runs, and waits for something that may take long."""
            self._tell(State.RUNNING)

        def ready(self) -> None:
            self._tell(State.RUNNING)
            self.alive()

        def alive(self) -> None:
            faulthandler.dump_traceback_later(HUNG_AFTER_S, exit=True, file=self._log)

        def ending(self) -> None:
            self._tell(State.STOP_PENDING)

        def _control(self, control: int, _kind: int, _data: int | None, _context: int | None) -> int:
            if control in (Control.STOP, Control.SHUTDOWN):
                self._tell(State.STOP_PENDING)
                self.stop.set()
            return 0

        def _tell(self, state: State, code: int = 0) -> None:
            hint_ms = {State.START_PENDING: _STARTING_MS, State.STOP_PENDING: _ENDING_MS}.get(state, 0)
            status = _Status(
                type=_OWN_PROCESS,
                state=state,
                accepted=_ACCEPT_STOP_AND_SHUTDOWN if state is State.RUNNING else 0,
                exit_code=_SPECIFIC_ERROR if code else 0,
                specific_code=code,
                wait_hint_ms=hint_ms,
            )
            self._api.SetServiceStatus(self._handle, ctypes.byref(status))

    def serve_agent(config_file: Path, state: Path) -> None:
        """Be the service: run the agent until Windows stops it. What goes wrong is in STATE/agent/agent.log.

        The copy of an image enrols first, by the seed that it carries.

        Raises ServiceFailed, OSError.
        """
        import logging
        from logging.handlers import RotatingFileHandler

        from agent.config import load_config
        from agent.main import run_until
        from agent.seed import sown

        state.mkdir(parents=True, exist_ok=True)
        log = RotatingFileHandler(state / "agent.log", maxBytes=1 << 20, backupCount=2, encoding="utf-8")
        form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
        logging.basicConfig(level=logging.WARNING, format=form, handlers=[log])
        with (state / "hung.log").open("a", encoding="utf-8") as hung:
            service = Service(hung)

            def tell(why: str) -> None:
                from agent.waiting import waiting_for

                logging.getLogger(__name__).warning("%s", waiting_for(why).en)

            def rest(seconds: float) -> None:
                if service.stop.wait(seconds):
                    raise InterruptedError("stopped before it was enrolled")

            def work() -> int:
                try:
                    if seed := sown(state):
                        from agent.grow import grow

                        service.waiting()
                        grow(seed, config_file, state, tell=tell, rest=rest)
                    while run_until(service.stop, load_config(config_file, state), service):
                        logging.getLogger(__name__).warning("new credentials: running on with them")
                except InterruptedError as error:
                    logging.getLogger(__name__).warning("%s", error)
                except (AgentError, OSError) as error:
                    logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - its words say what to do
                    return 2
                except Exception:  # nobody reads what a service says on its way out, but for this file
                    logging.getLogger(__name__).exception("the agent ended by a fault of its own")
                    raise
                return 0

            service.serve(work)

    def install(command: str) -> None:
        """Make the service, or give the one that is there this command; it starts with Windows and after each failure.

        Raises ServiceFailed.
        """
        api = _advapi()
        with _opened(api, api.OpenSCManagerW(None, None, 0x3)) as manager:
            made = api.CreateServiceW(
                manager, NAME, DISPLAY_NAME, _ALL_ACCESS, _OWN_PROCESS, _AUTO_START, _NORMAL_ERROR, command,
                None, None, None, ACCOUNT, None,
            )  # fmt: skip
            there = made is None and ctypes.get_last_error() == _ALREADY_THERE
            with _opened(api, api.OpenServiceW(manager, NAME, _ALL_ACCESS) if there else made) as service:
                if there:
                    unchanged = 0xFFFFFFFF
                    done = api.ChangeServiceConfigW(
                        service, unchanged, _AUTO_START, unchanged, command, None, None, None, ACCOUNT, None, None
                    )
                    _check(done)
                _restart_on_failure(api, service)

    def remove() -> None:
        """Delete the service; one that runs ends first of all. Raises ServiceFailed."""
        api = _advapi()
        with (
            _opened(api, api.OpenSCManagerW(None, None, 0x1)) as manager,
            _opened(api, api.OpenServiceW(manager, NAME, _ALL_ACCESS)) as service,
        ):
            api.ControlService(service, Control.STOP, ctypes.byref(_Status()))
            _check(api.DeleteService(service))

    def _restart_on_failure(api: Any, service: ctypes.c_void_p) -> None:
        """After 5 s, also when it ended by itself with an error; the count begins anew after an hour."""
        action = _Action(1, 5_000)
        actions = (_Action * 3)(action, action, action)
        _check(api.ChangeServiceConfig2W(service, 2, ctypes.byref(_FailureActions(3600, None, None, 3, actions))))
        api.ChangeServiceConfig2W(service, 4, ctypes.byref(wintypes.BOOL(True)))  # Windows Vista and newer

    @contextlib.contextmanager
    def _opened(api: Any, handle: int | None) -> Any:
        if not handle:
            raise _failed("the service cannot be opened")
        try:
            yield ctypes.c_void_p(handle)
        finally:
            api.CloseServiceHandle(ctypes.c_void_p(handle))

    def _check(done: int) -> None:
        if not done:
            raise _failed("the service cannot be changed")

    def _failed(what: str) -> ServiceFailed:
        return ServiceFailed(f"{what}: {ctypes.FormatError(ctypes.get_last_error()).strip()}")
