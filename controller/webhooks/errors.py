"""What is not done about webhooks, named for what the caller does next."""


class WebhookError(Exception):
    """The root."""


class NoSuchWebhook(WebhookError):
    """There is none of that id, or no such school, in the asker's scope: look at the list again (404)."""


class WrongWebhook(WebhookError):
    """What was written cannot be used: `field` is to be written anew (422). `code` is stable."""

    def __init__(self, field: str, code: str) -> None:
        super().__init__(f"{field}: {code}")
        self.field = field
        self.code = code


class TestedTooOften(WebhookError):
    """Try again in a minute (429)."""

    __test__ = False
    """No test of pytest's."""
