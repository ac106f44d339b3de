"""Record the dialogues of the foreign projector emulator `pjlink-advance` into tests/transcripts/pjlink.

    python -m hil.record_pjlink PYTHON [FOLDER]

PYTHON is an interpreter of version 3.13 or newer that has pjlink-advance; the project itself needs neither.
"""

import argparse
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from firmware_bridges import pjlink_core as core
from firmware_bridges.links import open_link
from firmware_bridges.record import RecordedLink
from hil.farends.child import ROOT
from hil.farends.pins import PJLINK_ADVANCE
from hil.farends.transcript import header

FOLDER = ROOT / "tests" / "transcripts" / "pjlink"
TRANSITION_S = 1.0
"""How long the recorded projector warms up and cools down."""
_PAST_TRANSITION_S = TRANSITION_S + 0.3


@dataclass(frozen=True, slots=True)
class Scene:
    """One connection. A number among the requests is a pause in seconds."""

    name: str
    pjclass: int
    password: str
    given: str
    requests: Sequence[str | float]


_ASK_1 = [
    f"%1{body} ?" for body in ["CLSS", "POWR", "ERST", "LAMP", "INST", "INPT", "AVMT", "NAME", "INF1", "INF2", "INFO"]
]
_ASK_2 = [f"%2{body} ?" for body in ["SNUM", "SVER", "INST", "INPT", "IRES", "RRES", "FILT", "RLMP", "RFIL", "FREZ"]]
_LIFE: list[str | float] = [
    *("%1POWR 1", "%1POWR ?", "%1LAMP ?", "%1INPT 31", "%1POWR 1", _PAST_TRANSITION_S),
    *("%1POWR ?", "%1LAMP ?", "%1INPT ?", "%1INPT 32", "%1INPT ?", "%1INPT 99", "%1INPT 61", "%1AVMT 31", "%1AVMT ?"),
    *("%1AVMT 10", "%1AVMT ?", "%1AVMT 41", "%1AVMT 20", "%1AVMT ?", "%1AVMT 11", "%1AVMT ?"),
    *("%1POWR 0", "%1POWR ?", "%1LAMP ?", "%1AVMT 31", _PAST_TRANSITION_S, "%1POWR ?", "%1AVMT ?", "%1INPT ?"),
]
_WRONG: list[str | float] = ["%1POWR 2", "%1POWR x", "%1LAMP 1", "%1NAME x", "%1ABCD ?", "%2ABCD ?"]
SCENES = (
    Scene("class-1", 1, "", "", [*_ASK_1, *_LIFE, *_WRONG, "%2SNUM ?", "%2INPT ?"]),
    Scene("class-2", 2, "", "", [*_ASK_1, *_ASK_2, *_LIFE, *_WRONG, "%2INNM ?31", "%2INNM ?99", "%1POWR 1", *_ASK_2]),
    Scene("password", 2, "secret", "secret", ["%1CLSS ?", "%1POWR ?"]),
    Scene("wrong-password", 2, "secret", "wrong", ["%1CLSS ?"]),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("python", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    version = subprocess.check_output([arguments.python, "-VV"], text=True).split(" (")[0].strip()
    for scene in SCENES:
        about = {
            "far end": f"{PJLINK_ADVANCE} (PyPI), its emulator",
            "interpreter": version,
            "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
            "command": "python -m hil.record_pjlink PYTHON",
            "class": scene.pjclass,
            "password": scene.password,
            "given": scene.given,
            "transition_s": TRANSITION_S,
        }
        with (arguments.folder / f"{scene.name}.txt").open("w", encoding="utf-8") as out:
            out.write(header(about))
            _record(arguments.python, scene, out)


def _record(python: Path, scene: Scene, out: TextIO) -> None:
    command = [python, "-u", "-m", "pjlink_advance.emulator", "--host", "127.0.0.1", "--port", "0"]
    command += ["--pj-class", str(scene.pjclass), "--transition-delay", str(TRANSITION_S)]
    if scene.password:
        command += ["--password", scene.password]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True) as emulator:
        try:
            assert emulator.stdout is not None
            port = int(emulator.stdout.readline().rsplit(":", 1)[1])
            link = RecordedLink(open_link(f"tcp://127.0.0.1:{port}"), out, lambda: time.monotonic_ns() // 1_000_000)
            _play(link, scene)
            link.close()
        finally:
            emulator.terminate()


def _play(link: RecordedLink, scene: Scene) -> None:
    greeting = _line(link)
    salted = re.fullmatch(rb"PJLINK 1 (\w+)\r", greeting)
    digest = core.digest(salted[1].decode(), scene.given) if salted else b""
    for request in scene.requests:
        if isinstance(request, float):
            time.sleep(request)
            continue
        link.write(digest + f"{request}\r".encode())
        digest = b""
        _line(link)


def _line(link: RecordedLink) -> bytes:
    line = b""
    while not line.endswith(b"\r"):
        line += link.read(3.0)
    return line


if __name__ == "__main__":
    main()
