"""Run one machine of the demo lab until a signal."""

import sys

from controller.demo.farends import printer, projector
from controller.demo.farends.faults import PRINTER, PROJECTOR

_MACHINES = {PRINTER: printer.main, PROJECTOR: projector.main}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in _MACHINES:
        _MACHINES[sys.argv[1]](sys.argv[2:])
    else:
        sys.exit(f"usage: python -m controller.demo.farends {'|'.join(_MACHINES)} [options]")
