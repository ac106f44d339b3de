"""The settings of an agent that a controller may set: keys, kinds, units and bounds, one table for both sides. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contract.model import ContractError, Kind, Value, check_text

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,45}")
"""A name of a host, an IPv4 or an IPv6 address."""
_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:]{2,45}\])(?::\d{1,5})?(?:/[A-Za-z0-9._~/-]{0,200})?"
)

_SUBNET = re.compile(
    r"(?:10(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2})/(?:2[2-9]|30)"
)
"""A private IPv4 subnet of at most a /22."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`least` and `most` bound a number, in `unit` (UCUM); `pattern` a text, whole.

    `way`: by it the agent reaches its controller, so it connects anew to prove a new value.
    """

    key: str
    kind: Kind
    default: Value
    unit: str = "1"
    least: float = 0
    most: float = 0
    pattern: re.Pattern[str] | None = None
    way: bool = False

    def check(self, value: Value) -> None:
        """Raise ContractError, which names the key, unless `value` may stand here."""
        if self.kind is Kind.TEXT:
            if not isinstance(value, str):
                raise ContractError(f"{self.key} = {value!r}: must be a text")
            check_text(value, self.key, 300)
            if self.pattern is not None and not self.pattern.fullmatch(value):
                raise ContractError(f"{self.key} = {value[:80]!r}: is none")
            return
        kinds = (int, float) if self.kind is Kind.FLOAT else (int,)
        if type(value) not in kinds or isinstance(value, str):
            word = "a number" if self.kind is Kind.FLOAT else "a whole number"
            raise ContractError(f"{self.key} = {value!r}: must be {word}")
        if not self.least <= value <= self.most:
            raise ContractError(f"{self.key} = {value}: must be between {self.least} and {self.most}")


_ALL: Final = (
    Setting("flush_s", Kind.FLOAT, 1.0, "s", 0.05, 3_600),
    Setting("outbox.budget_mb", Kind.INT, 64, "MBy", 1, 100_000),
    Setting("outbox.kept_mb", Kind.INT, 32, "MBy", 0, 100_000),
    Setting("outbox.kept_h", Kind.INT, 48, "h", 0, 10_000),
    Setting("files.budget_mb", Kind.INT, 500, "MBy", 1, 100_000),
    Setting("files.largest_mb", Kind.INT, 100, "MBy", 1, 100_000),
    Setting("broker.host", Kind.TEXT, "127.0.0.1", pattern=_HOST, way=True),
    Setting("broker.port", Kind.INT, 1883, "1", 1, 65_535, way=True),
    Setting("broker.keepalive_s", Kind.INT, 10, "s", 2, 600, way=True),
    Setting("broker.spread_s", Kind.FLOAT, 0.0, "s", 0, 600),
    Setting("controller.url", Kind.TEXT, "", pattern=_URL, way=True),
    Setting("discovery.subnet", Kind.TEXT, "", pattern=_SUBNET),
    Setting("discovery.packets_s", Kind.FLOAT, 20.0, "1", 1, 200),
    Setting("discovery.sweep_every_h", Kind.FLOAT, 24.0, "h", 0, 10_000),
    Setting("discovery.hear_every_h", Kind.FLOAT, 0.5, "h", 0, 10_000),
)
SETTINGS: Final[Mapping[str, Setting]] = {each.key: each for each in _ALL}
"""By key, in the order in which people are shown them."""


def check_settings(settings: Mapping[str, Value]) -> None:
    """Raise ContractError for the first key that nobody knows, or whose value is out of bounds: none is taken then."""
    for key, value in settings.items():
        known = SETTINGS.get(key)
        if known is None:
            raise ContractError(f"{key[:80]}: not for the controller to set")
        known.check(value)
