"""Write docs/protocol/*.schema.json from the dataclasses of contract.messages; `--check` fails if they differ."""

import argparse
import json
import sys
from pathlib import Path

import msgspec

from contract.messages import Ack, Config, Inventory, LeaseBook, Order, Report, Status

FOLDER = Path(__file__).parent.parent / "docs" / "protocol"
CHANNELS = {
    "status": Status,
    "inventory": Inventory,
    "report": Report,
    "ack": Ack,
    "command": Order,
    "leases": LeaseBook,
    "config": Config,
}


def schema_text(kind: type) -> str:
    """The JSON Schema of one message, as the file holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}
    return json.dumps(schema, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = []
    for channel, kind in CHANNELS.items():
        path, text = FOLDER / f"{channel}.schema.json", schema_text(kind)
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(path.name)
            if not check:
                path.write_text(text, "utf-8")
    if stale and check:
        print(f"out of date: {', '.join(stale)}; run python -m tools.schemas")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
