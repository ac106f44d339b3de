"""What is not done about Home Assistant, named for what the caller does next."""


class HomeAssistantError(Exception):
    """The root."""


class NoSuchSchool(HomeAssistantError):
    """There is none of that id in the asker's scope: look at the list again (404)."""


class NotSwitchedOn(HomeAssistantError):
    """Nothing is told of this school: switch it on first (409)."""


class WrongLanguage(HomeAssistantError):
    """The names are in Vietnamese or in English: choose one (422)."""
