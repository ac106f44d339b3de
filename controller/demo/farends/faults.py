"""What can go wrong with the machines of the demo lab, and how it is said. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PRINTER: Final = "printer"
PROJECTOR: Final = "projector"


class Fault(StrEnum):
    """One at a time a machine. NONE also stands for somebody at the machine who puts it right."""

    NONE = "none"
    FROZEN = "frozen"
    GARBAGE = "garbage"
    UNPLUGGED = "unplugged"
    THERMAL_RUNAWAY = "thermal-runaway"
    NOISE = "noise"
    FILAMENT_OUT = "filament-out"
    LAMP = "lamp"
    TOO_HOT = "too-hot"
    FILTER = "filter"
    COVER = "cover"


@dataclass(frozen=True, slots=True)
class Words:
    english: str
    vietnamese: str


_LINK: Final = {
    Fault.NONE: Words("put it right: repaired, confirmed, switched off and on", "Khắc phục: sửa xong, tắt rồi bật lại"),
    Fault.FROZEN: Words("says nothing any more", "Máy treo, không trả lời"),
    Fault.GARBAGE: Words("answers that are no text", "Trả lời toàn ký tự hỏng"),
    Fault.UNPLUGGED: Words("its cable is pulled", "Rút cáp"),
}
FAULTS: Final[Mapping[str, Mapping[Fault, Words]]] = {
    PRINTER: {
        **_LINK,
        Fault.THERMAL_RUNAWAY: Words("the nozzle's heater runs away", "Đầu in quá nhiệt, máy tự dừng"),
        Fault.NOISE: Words("noise spoils commands on their way", "Nhiễu làm hỏng lệnh trên đường truyền"),
        Fault.FILAMENT_OUT: Words("no filament in mid-print", "Hết nhựa giữa chừng"),
    },
    PROJECTOR: {
        **_LINK,
        Fault.LAMP: Words("its lamp has failed", "Hỏng bóng đèn"),
        Fault.TOO_HOT: Words("too hot inside", "Bên trong quá nóng"),
        Fault.FILTER: Words("its filter wants cleaning", "Bộ lọc cần vệ sinh"),
        Fault.COVER: Words("its cover is open", "Nắp máy đang mở"),
    },
}
"""What each machine can have."""
