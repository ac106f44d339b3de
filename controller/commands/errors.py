"""Why a command was not taken. The leaves are named for what the caller does next."""


class CommandError(Exception):
    """The command was not taken; nothing was queued. The message is for people, in English; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoSuchDevice(CommandError):
    """There is none of that id in the asker's scope: look again (404)."""


class NotAllowed(CommandError):
    """The asker's role may not do this to this class of machine: ask somebody who may (403)."""


class WrongCommand(CommandError):
    """The machine has no such action, or its arguments are wrong: mend the request (422)."""


class NotNow(CommandError):
    """It cannot be done now: the machine is somebody else's at this time, or no longer there (409)."""
