"""The errors of the demo, told to the person who started it."""


class DemoError(Exception):
    """The demo cannot run; the message says why."""


class NotOurs(DemoError):
    """The state holds a fleet that is not the demo's: choose another one, or run `fabfleet serve` on it."""
