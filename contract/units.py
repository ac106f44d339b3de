"""Allowed units as UCUM codes (ucum.org), and how to print them."""

_SYMBOLS: dict[str, tuple[str, str]] = {
    # code: (English, Vietnamese)
    "1": ("", ""),
    "%": ("%", "%"),
    "[ppm]": ("ppm", "ppm"),
    "Cel": ("°C", "°C"),
    "V": ("V", "V"),
    "mV": ("mV", "mV"),
    "A": ("A", "A"),
    "mA": ("mA", "mA"),
    "W": ("W", "W"),
    "W.h": ("Wh", "Wh"),
    "kW.h": ("kWh", "kWh"),
    "Hz": ("Hz", "Hz"),
    "MHz": ("MHz", "MHz"),
    "ms": ("ms", "ms"),
    "s": ("s", "giây"),
    "min": ("min", "phút"),
    "h": ("h", "giờ"),
    "d": ("d", "ngày"),
    "By": ("B", "B"),
    "kBy": ("kB", "kB"),
    "MBy": ("MB", "MB"),
    "GBy": ("GB", "GB"),
    "Mbit/s": ("Mbit/s", "Mbit/s"),
    "dB{mW}": ("dBm", "dBm"),
    "/min": ("rpm", "vòng/phút"),
    "/s": ("/s", "/giây"),
    "lx": ("lx", "lx"),
    "g": ("g", "g"),
    "kg": ("kg", "kg"),
    "mm": ("mm", "mm"),
    "m": ("m", "m"),
    "mm/s": ("mm/s", "mm/s"),
    "mm/min": ("mm/min", "mm/phút"),
    "deg": ("°", "°"),
}

UNITS = frozenset(_SYMBOLS)
"""Every code a profile may name."""


def symbol(code: str, language: str = "en") -> str:
    """What stands behind a number: symbol("Cel") == "°C". Raises KeyError for a code outside UNITS."""
    english, vietnamese = _SYMBOLS[code]
    return vietnamese if language == "vi" else english
