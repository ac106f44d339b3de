"""What numbers and ages look like, for the server's words and for the page's."""

NOW_MS = 1_795_485_780_000
"""Tuesday 24/11/2026, 09:03 in Hanoi."""
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000

SHOWN: list[tuple[bool | float | str | None, str, str, str]] = [
    # value, unit, Vietnamese, English; the spaces before units do not break
    (None, "Cel", "—", "—"),
    ("", "1", "—", "—"),
    (26.1, "Cel", "26,1\u00a0°C", "26.1\u00a0°C"),
    (26.0, "Cel", "26\u00a0°C", "26\u00a0°C"),
    (214.8, "Cel", "215\u00a0°C", "215\u00a0°C"),
    (62, "%", "62\u00a0%", "62\u00a0%"),
    (-58.0, "dB{mW}", "\u221258\u00a0dBm", "\u221258\u00a0dBm"),
    (1640, "[ppm]", "1.640\u00a0ppm", "1,640\u00a0ppm"),
    (1234567, "1", "1.234.567", "1,234,567"),
    (0.04, "Mbit/s", "0,0\u00a0Mbit/s", "0.0\u00a0Mbit/s"),
    (90, "/min", "90\u00a0vòng/phút", "90\u00a0rpm"),
    (45, "s", "45\u00a0giây", "45\u00a0s"),
    (3700, "s", "1\u00a0giờ 1\u00a0phút", "1 hour 1 minute"),
    (1200, "h", "1.200\u00a0giờ", "1,200\u00a0h"),
    (512, "By", "512\u00a0B", "512\u00a0B"),
    (6_400_000_000, "By", "6,4\u00a0GB", "6.4\u00a0GB"),
    (-0.04, "V", "0,0\u00a0V", "0.0\u00a0V"),
    (26.25, "V", "26,3\u00a0V", "26.3\u00a0V"),
    (-26.25, "V", "\u221226,3\u00a0V", "\u221226.3\u00a0V"),
    (1e21, "W", "1.00e+21\u00a0W", "1.00e+21\u00a0W"),
    (True, "1", "có", "yes"),
    (False, "1", "không", "no"),
    ("HDMI 1", "1", "HDMI 1", "HDMI 1"),
    ("2026-11-21T21:33Z", "1", "04:33, 22/11/2026", "04:33, 22/11/2026"),
]

AGES = [
    (500, "vừa xong", "just now"),
    (1_000, "1\u00a0giây trước", "1 second ago"),
    (3_000, "3\u00a0giây trước", "3 seconds ago"),
    (6 * _MINUTE, "6\u00a0phút trước", "6 minutes ago"),
    (_HOUR + 33 * _MINUTE, "1\u00a0giờ 33\u00a0phút trước", "1 hour 33 minutes ago"),
    (5 * _HOUR, "5\u00a0giờ trước", "5 hours ago"),
    (_DAY, "09:03, 23/11", "09:03, 23 Nov"),
    (-5_000, "vừa xong", "just now"),
]
