"""The errors of the agent, named for what the caller does next."""


class AgentError(Exception):
    """Root of all errors that this package raises."""


class WrongConfig(AgentError):
    """The configuration cannot be used: show the message to the user and stop."""


class CannotWrite(AgentError):
    """The disk takes nothing at the moment: keep what you have, try again later."""


class NotRunning(AgentError):
    """No agent runs on this state folder: tell the user how to start one."""


class EnrolmentRefused(AgentError):
    """The controller did not take this agent in; the message says why."""
