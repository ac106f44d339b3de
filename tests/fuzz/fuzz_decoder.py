"""Coverage-guided fuzzing of both decoders: `python -m tests.fuzz.fuzz_decoder -max_total_time=60`. Needs atheris."""

import sys
from contextlib import suppress

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # installed by hand

with atheris.instrument_imports():
    from contract import wire
    from contract.messages import Inventory, Report, Status
    from contract.model import ContractError
    from controller.ingest.codec import decode_head
    from controller.ingest.messages import Arrival, decode

_KINDS = {"report": Report, "status": Status, "inventory": Inventory}


def one_input(data: bytes) -> None:
    """Neither decoder may raise anything but what it declares."""
    for channel, kind in _KINDS.items():
        decode(Arrival(f"ff/1/alpha/room-1/{channel}", data, 0))
        with suppress(ContractError):
            wire.decode(kind, data)
    decode_head(data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
