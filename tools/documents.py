"""Documents that are written from the program, and held to it."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs"


def markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table."""

    def lines() -> Iterator[str]:
        for row in (head, ("---",) * len(head), *rows):
            yield f"| {' | '.join(row)} |\n"

    return "".join(lines())


def keep(file: Path, document: Callable[[], str], command: str, about: str | None) -> int:
    """Write the document; with `--check` fail if it differs. The exit code of `command`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true")
    check, text = parser.parse_args().check, document()
    if file.exists() and file.read_text("utf-8") == text:
        return 0
    if check:
        print(f"out of date: {file.name}; run {command}")
        return 1
    file.write_text(text, "utf-8")
    return 0
