"""Why nothing was booked, named for what the caller does next."""

from controller.scheduling.alternatives import Alternative
from controller.scheduling.policy import Problem


class BookingError(Exception):
    """Nothing was booked and nothing was changed."""


class Taken(BookingError):
    """Not all of it is free at that time: take one of `alternatives`, another time or other machines (409).

    `alternatives` are given by the desk alone, and may be none.
    """

    def __init__(self, message: str, alternatives: tuple[Alternative, ...] = ()) -> None:
        super().__init__(message)
        self.alternatives = alternatives


class Refused(BookingError):
    """The rules are against it: mend the wish, or have somebody overrule `problems` if all can be (422)."""

    def __init__(self, problems: tuple[Problem, ...], alternatives: tuple[Alternative, ...] = ()) -> None:
        super().__init__(", ".join(each.code for each in problems))
        self.problems = problems
        self.alternatives = alternatives


class FreeNow(BookingError):
    """Nobody need wait for it: book it (409)."""


class NoSuchBooking(BookingError):
    """There is none of that id: look again (404)."""


class TooLate(BookingError):
    """The booking is in a state that does not allow it: look again (409)."""


class NothingOfThatKind(BookingError):
    """There is no such resource, or not as many as are wanted: mend the request (422)."""


class NotYours(BookingError):
    """Somebody else's booking: ask its holder, or who looks after the machine (403)."""


class KeyUsed(BookingError):
    """The asker's own key stands for another booking: choose a new one (422)."""
