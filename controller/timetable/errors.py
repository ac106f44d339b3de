"""Why a school year was not changed, named for what the caller does next."""


class TimetableError(Exception):
    """Nothing was changed."""


class NoSuchYear(TimetableError):
    """There is no such year or school within the asker's scope: look again (404)."""


class YearNameTaken(TimetableError):
    """The school has another year of that name: choose another name, or change that one (422)."""


class ChangedMeanwhile(TimetableError):
    """Somebody has changed the year since it was read: look again (409)."""
