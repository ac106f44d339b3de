"""The errors of the agent, named for what the caller does next."""

from device_profiles.profile import Words


class AgentError(Exception):
    """Root of all errors that this package raises. `words` is for people, its text English for logs and programs."""

    def __init__(self, said: str | Words = "") -> None:
        self.words = said if isinstance(said, Words) else Words(said, said)
        super().__init__(self.words.en)


class WrongConfig(AgentError):
    """The configuration cannot be used: show the message to the user and stop."""


class CannotWrite(AgentError):
    """The disk takes nothing at the moment: keep what you have, try again later."""


class NotRunning(AgentError):
    """No agent runs on this state folder: tell the user how to start one."""


class NoAnswer(AgentError):
    """The running agent was asked and says nothing: nobody knows what became of it."""


class EnrolmentRefused(AgentError):
    """The controller did not take this agent in; the message says why."""


class ServiceFailed(AgentError):
    """Windows does not do with the service what it was asked: tell whoever asked, who may need to be administrator."""


class NoFile(AgentError):
    """The job file cannot be had; the message says why. Nothing was done: tell whoever asked."""


class NoFileYet(NoFile):
    """The server was not there, or broke off: ask it again, and tell whoever asked when that has lasted."""


class NotTrusted(AgentError):
    """Whoever answers cannot prove to be the server that is meant: say nothing to it, tell the user."""


class Unreachable(AgentError):
    """Nobody answers: tell the user, or try again later."""
