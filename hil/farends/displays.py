"""Boards and projectors with a serial command set, written from their manuals: what they answer, line by line.

These are our own readings of the manuals that the profiles cite; they prove the wire, not the machines (ADR 013).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

State = dict[str, str]


@dataclass(slots=True)
class Display:
    """`answer` gives what is said to a line, with its ends. `stuck`: says yes and does nothing."""

    state: State
    line_end: bytes
    speak: Callable[["Display", str], str]
    stuck: bool = False
    came: dict[int, bytes] = field(default_factory=dict)

    def put(self, name: str, value: str) -> None:
        if not self.stuck:
            self.state[name] = value

    def receive(self, caller: int, data: bytes) -> bytes:
        """What is answered to the bytes of one of the callers."""
        *lines, self.came[caller] = (self.came.get(caller, b"") + data)[-1024:].split(self.line_end)
        return "".join(self.speak(self, line.decode("latin-1")) for line in lines).encode("latin-1")


_SET: Mapping[str, str] = {"!": "power", '"': "input", "5": "volume", "6": "muted"}
_GET: Mapping[str, str] = {"l": "power", "j": "input", "f": "volume", "g": "muted", "0": "temperature"}


def nine_bytes(display: Display, line: str) -> str:
    """ViewSonic and BenQ boards: length, id 01, type, command, three letters; in standby only power is answered."""
    if len(line) != 8 or line[:3] != "801" or line[3] not in "sg":
        return "401-\r"
    kind, command, value = line[3], line[4], line[5:]
    name = (_SET if kind == "s" else _GET).get(command)
    if name is None or (name != "power" and display.state["power"] == "000"):
        return "401-\r"
    if kind == "s":
        display.put(name, value)
        return "401+\r"
    if name == "input":
        return f"801r{command}1{display.state[name][1:]}\r"
    return f"801r{command}{display.state[name]}\r"


def smart(display: Display, line: str) -> str:
    """SMART Board MX: words after a prompt; what it says stands between two ends, with an echo of what was typed."""
    words = line.split(maxsplit=1)
    said = "invalid command"
    if len(words) == 2 and words[0] in ("get", "set"):
        name, _, value = (word.strip() for word in words[1].partition("="))
        asleep = display.state["powerstate"] != "on" and name in ("volume", "input", "mute")
        if name in display.state and not asleep:
            if words[0] == "set":
                display.put(name, value)
            said = f"{name}={display.state[name]}"
    return f"{line}\r\r\n{said}\r\n>"


def star(display: Display, line: str) -> str:
    """BenQ projectors: *name=value#; in standby all but power is blocked."""
    said = line.strip().lower()
    if not said:
        return ">" if display.state["prompt"] == "1" else ""
    name, equals, value = said.strip("*#").partition("=")
    if not (said.startswith("*") and said.endswith("#") and equals):
        return "Illegal format\r\n"
    if name not in display.state:
        return "Unsupported item\r\n"
    if name != "pow" and display.state["pow"] != "on":
        return "Block item\r\n"
    if value == "?":
        return f"*{name.upper()}={display.state[name].upper()}#\r\n"
    display.put(name, value)
    return f"*{name.upper()}={value.upper()}#\r\n"


def escvp21(display: Display, line: str) -> str:
    """Epson ESC/VP21: an answer ends with a colon; what is not known, or not now, is ERR."""
    said = line.strip()
    if not said:
        return ":"
    if said.endswith("?"):
        name = said[:-1]
        if name not in display.state or (name in ("SOURCE", "MUTE") and display.state["PWR"] == "00"):
            return "ERR\r:"
        return f"{name}={display.state[name]}\r:"
    name, _, value = said.partition(" ")
    if name not in ("PWR", "SOURCE", "MUTE") or (name != "PWR" and display.state["PWR"] == "00"):
        return "ERR\r:"
    display.put(name, {"ON": "01", "OFF": "00"}[value] if name == "PWR" else value)
    return ":"


def optoma(display: Display, line: str) -> str:
    """Optoma: ~00, a number and a value; P or F to a setting, OK and a value to a question."""
    if not line.startswith("~00") or " " not in line:
        return "F\r"
    number, value = line[3:].split(" ", 1)
    questions = {"124": "power", "121": "input", "108": "hours"}
    if number in questions:
        return f"OK{display.state[questions[number]]}\r"
    if number == "00" and value in "01":
        display.put("power", value)
        return "P\r"
    if number == "12" and display.state["power"] == "1":
        display.put("input", {"1": "7", "15": "8", "5": "2"}.get(value, "0"))
        return "P\r"
    return "F\r"


KINDS: Mapping[str, Callable[[], Display]] = {
    "viewsonic": lambda: Display(
        {"power": "000", "input": "004", "volume": "020", "muted": "000", "temperature": "041"}, b"\r", nine_bytes
    ),
    "benq-board": lambda: Display({"power": "000", "volume": "020", "muted": "000"}, b"\r", nine_bytes),
    "smart": lambda: Display(
        {"powerstate": "ready", "volume": "20", "mute": "off", "input": "HDMI1", "serialnum": "K0000001"}, b"\r", smart
    ),
    "benq-projector": lambda: Display(
        {"pow": "off", "sour": "hdmi", "mute": "off", "vol": "10", "ltim": "1200", "prompt": "1"}, b"\r", star
    ),
    "epson": lambda: Display({"PWR": "00", "SOURCE": "30", "MUTE": "OFF", "LAMP": "1200", "ERR": "00"}, b"\r", escvp21),
    "optoma": lambda: Display({"power": "0", "input": "0", "hours": "1200"}, b"\r", optoma),
}
"""By the name that the equipment is started with."""
