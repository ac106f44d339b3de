"""What is not done about notifications, named for what the caller does next."""


class NotificationError(Exception):
    """The root."""


class WrongField(NotificationError):
    """What was written cannot be used: `field` is to be written anew. `code` is stable."""

    def __init__(self, field: str, code: str) -> None:
        super().__init__(f"{field}: {code}")
        self.field = field
        self.code = code


class NoSuchChannel(NotificationError):
    """There is no such channel, or it is somebody else's: look at the list again."""


class TooSoon(NotificationError):
    """It was asked for too often: try again later."""


class KeyLost(NotificationError):
    """The key that a secret was sealed with is gone: the secret is to be written anew."""
