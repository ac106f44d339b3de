"""What a computer that asks to enrol waits for, in words."""

from collections.abc import Mapping
from typing import Final

from device_profiles.profile import Words

_KNOWN: Final[Mapping[str, Words]] = {
    "returned": Words(
        vi="Máy chủ đã biết máy tính này. Mở trang Agent và bấm “Cho vào lại”; máy chờ đến lúc đó.",
        en="The server knows this computer. Open the page Agents and press “Let it back in”; it waits for that.",
    ),
    "replaces": Words(
        vi="Tên này là của một máy khác. Mở trang Agent và bấm “Cho thay máy”; máy chờ đến lúc đó.",
        en="Another computer has this name. Open the page Agents and press “Let it take over”; it waits for that.",
    ),
}


def waiting_for(why: str) -> Words:
    """Of what the controller answered; that itself if it is a newer one, whose word is not known here."""
    return _KNOWN.get(why) or Words(why, why)
