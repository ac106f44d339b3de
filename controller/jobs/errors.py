"""Why a file or a job was not taken. The leaves are named for what the caller does next."""


class JobError(Exception):
    """Nothing was changed. The message is for people, in English; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoSuchJob(JobError):
    """There is none of that id in the asker's scope: look again (404)."""


class WrongFile(JobError):
    """Not a file that this machine takes: choose another one (422).

    Codes: `type`, `size`, `empty`, `digest`, `name`.
    """


class NoRoom(JobError):
    """The quota is used up, or the disk is full: have old jobs removed (507). Codes: `quota`, `disk`."""


class NotInThisState(JobError):
    """The job, or its machine, does not allow it now: look again (409).

    Codes: `state`, `bed` (nobody says that it is empty, or that the machine may move), `machine-busy` (at work on
    another job), `file-lost`.
    """
