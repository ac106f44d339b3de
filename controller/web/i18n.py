"""The words of the pages in Vietnamese and English. msgids are English; gettext catalogues hold the rest.

Templates, Python and the page scripts share one catalogue: `t("Sign in")`, `t("Showing {name}", name=...)`,
`tn("{n} device", "{n} devices", n)`. tools/translations.py extracts, checks and compiles it.
"""

import gettext
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

from babel.messages.extract import extract_from_file
from babel.messages.mofile import read_mo
from babel.numbers import get_decimal_symbol, get_group_symbol
from markupsafe import Markup, escape

from controller.web.typography import tidy

LANGUAGES = ("vi", "en")
DEFAULT = "vi"
LOCALE = Path(__file__).parent / "locale"
STATIC = Path(__file__).parent / "static"
_NO_CATALOGUE = f"no compiled catalogue below {LOCALE}: run python -m tools.translations"
_HUGE = 1e15
"""From here on numbers stand in powers of ten."""
KEYWORDS: dict[str, tuple[int, ...] | None] = {"t": None, "tn": (1, 2)}
"""The functions whose arguments are translated, for babel."""
AGENT = "agent"
"""The context of the messages that an agent says."""


class NoCatalogue(RuntimeError):
    """A compiled catalogue is missing: run `python -m tools.translations`."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the pages."""

    code: str
    catalogue: gettext.NullTranslations

    def t(self, msgid: str, **values: object) -> Markup:
        """`msgid` in this language, with `{name}` places filled in. Safe in HTML: values are escaped."""
        return _filled(self._tidied(self.catalogue.gettext(msgid)), values)

    def tn(self, one: str, many: str, n: int, **values: object) -> Markup:
        """As `t`, in the form that goes with `n`, which also fills `{n}` unless `values` does."""
        return _filled(self._tidied(self.catalogue.ngettext(one, many, n)), {"n": number(n, self.code), **values})

    def agent(self, msgid: str) -> str:
        """A message of an agent in this language, its `{name}` places as they are."""
        return self._tidied(self.catalogue.pgettext(AGENT, msgid))

    def _tidied(self, text: str) -> str:
        return tidy(text) if self.code == "vi" else text

    def script_words(self) -> dict[str, str | list[str]]:
        """What the page scripts say: msgid -> words, or -> [one, many] for a plural."""
        words: dict[str, str | list[str]] = {}
        for msgid in script_messages():
            if isinstance(msgid, tuple):
                one, many = msgid
                words[one] = [self._tidied(self.catalogue.ngettext(one, many, n)) for n in (1, 2)]
            else:
                words[msgid] = self._tidied(self.catalogue.gettext(msgid))
        return words


def number(value: float, code: str, decimals: int = 0) -> str:
    """1000 -> "1.000" in Vietnamese; ties away from zero, a true minus."""
    if abs(value) >= _HUGE:
        return f"{value:.2e}"
    exact = Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) + 0
    return f"{exact:,f}".translate(_signs(code))


@cache
def _signs(code: str) -> dict[int, str]:
    """Of Python's format to those of the language. Babel's own formatting takes ten times as long."""
    return str.maketrans({",": get_group_symbol(code), ".": get_decimal_symbol(code), "-": "\u2212"})


def _filled(text: str, values: dict[str, object]) -> Markup:
    return Markup(escape(text)).format(**values)  # noqa: S704 - escaped just here


@cache
def language(code: str) -> Language:
    """The language `code`, or Vietnamese if there is none. Raises NoCatalogue."""
    if code == "en":
        return Language("en", gettext.NullTranslations())
    try:
        return Language(DEFAULT, gettext.translation("messages", LOCALE, [DEFAULT]))
    except FileNotFoundError:
        raise NoCatalogue(_NO_CATALOGUE) from None


@cache
def agent_messages() -> tuple[str, ...]:
    """Every message of an agent that is in the catalogue. Raises NoCatalogue."""
    try:
        with (LOCALE / DEFAULT / "LC_MESSAGES" / "messages.mo").open("rb") as file:
            # Babel leaves the context of a compiled message in bytes.
            found = [message.id for message in read_mo(file) if message.context in (AGENT, AGENT.encode())]
    except FileNotFoundError:
        raise NoCatalogue(_NO_CATALOGUE) from None
    return tuple(each for each in found if isinstance(each, str))


@cache
def script_messages() -> tuple[str | tuple[str, str], ...]:
    """Every msgid in the page scripts, plurals as pairs, in order."""
    found: set[str | tuple[str, str]] = set()
    for path in sorted(STATIC.glob("*.js")):
        for _, message, _, _ in extract_from_file("javascript", path, keywords=KEYWORDS):
            found.add((message[0], message[1]) if isinstance(message, tuple) else message)
    return tuple(sorted(found, key=str))
