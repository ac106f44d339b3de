"""Record what simulated boards with real firmware say into tests/transcripts/firmata: python -m hil.record_firmata."""

import tempfile
import time
from pathlib import Path

from firmware_bridges.links import open_link
from firmware_bridges.record import RecordedLink
from hil.farends.board import MODELS, Board
from hil.farends.child import ROOT
from hil.farends.pins import AVRGIRL, SIMAVR
from hil.farends.transcript import header

FOLDER = ROOT / "tests" / "transcripts" / "firmata"
REQUESTS = (
    ("firmware", bytes.fromhex("f079f7")),
    ("abilities", bytes.fromhex("f06bf7")),
    ("sampling each 19 ms", bytes.fromhex("f07a1300f7")),
    ("pin 2 is an input and told", bytes.fromhex("f40200 d001")),
    ("pin 13 high", bytes.fromhex("f40d01 912000")),
    ("state of pin 13", bytes.fromhex("f06d0df7")),
    ("analog 0 is told", bytes.fromhex("c001")),
)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder, (FOLDER / f"{model}.txt").open("w", encoding="utf-8") as out:
            board = Board(Path(folder), model)
            about = {
                "far end": f"StandardFirmata for {model} of {AVRGIRL} (npm), in {SIMAVR}",
                "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
                "command": "python -m hil.record_firmata",
                "pins": "2.5 V at analog 0, pin 2 high",
            }
            out.write(header(about))
            board.voltage(0, 2.5)
            board.tell("drive E 4 1" if model == "mega" else "drive D 2 1")
            time.sleep(0.5)  # for its greeting, which opening the port throws away
            link = RecordedLink(open_link(board.endpoint, baud=57600), out, lambda: time.monotonic_ns() // 1_000_000)
            for name, request in REQUESTS:
                link.mark(name)
                link.write(request)
                while link.read(0.5) and name != REQUESTS[-1][0]:
                    pass
            for _ in range(90):
                link.read(0.5)
            link.close()
            board.close()


if __name__ == "__main__":
    main()
