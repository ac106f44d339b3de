"""The catalogue of the pages' words: `python -m tools.translations` compiles it.

`--update` takes new msgids from templates, Python, page scripts and what an agent says (tools.reasons) into
locale/vi/LC_MESSAGES/messages.po; `--check` fails on what is missing, fuzzy, no longer used, or not translated, and
writes nothing.
"""

import argparse
import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from controller.web.i18n import AGENT, DEFAULT, KEYWORDS, LOCALE
from tools.reasons import templates

WEB = LOCALE.parent
PO = LOCALE / DEFAULT / "LC_MESSAGES" / "messages.po"
_PLACE = re.compile(r"\{\w+\}")
METHODS = [
    ("static/vendor/**", "ignore"),
    ("**.py", "python"),
    ("templates/**.html", "jinja2"),
    ("static/**.js", "javascript"),
]


def extracted(folder: Path = WEB) -> Catalog:
    """Every msgid there is; those of the agent have a context of their own."""
    catalog = Catalog(charset="utf-8", fuzzy=False)
    found = extract_from_dir(folder, METHODS, keywords=KEYWORDS, comment_tags=())
    for filename, _, message, _, context in found:
        catalog.add(message, None, [(filename, 0)], context=context)
    for each in templates():
        catalog.add(each.text, None, [(each.path, 0)], context=AGENT)
    return catalog


def load(path: Path = PO) -> Catalog:
    """The committed catalogue; empty if there is none yet."""
    if not path.exists():
        return Catalog(locale=DEFAULT, project="fabfleet", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=DEFAULT)


def problems(catalog: Catalog, wanted: Catalog) -> list[str]:
    """One line for each msgid that is not as it should be."""
    found = []
    for message in wanted:
        if not message.id:
            continue
        name = _name_of(message)
        mine = catalog.get(name, message.context)
        if mine is None or mine.pluralizable != message.pluralizable:
            found.append(f"missing: {name!r}")
        elif mine.fuzzy:
            found.append(f"fuzzy: {name!r}")
        elif not all(mine.string if isinstance(mine.string, tuple) else (mine.string,)):
            found.append(f"not translated: {name!r}")
        elif _places(mine.string) != _places(message.id):
            found.append(f"other places than in English: {name!r}")
    old = [message for message in catalog if message.id and wanted.get(message.id, message.context) is None]
    return found + [f"no longer used: {message.id!r}" for message in old]


def _name_of(message: Message) -> str:
    """The msgid, of a plural the one for one."""
    return message.id if isinstance(message.id, str) else message.id[0]


def _places(text: str | Sequence[str] | None) -> set[str]:
    """The `{name}` places of all forms of a message."""
    forms = (text,) if isinstance(text, str) else text or ()
    return {place for form in forms for place in _PLACE.findall(form)}


def hidden(folder: Path = WEB) -> list[str]:
    """Where a msgid stands inside an f-string: babel does not find it there."""
    found = []
    for path in sorted(folder.glob("*.py")):
        strings = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.JoinedStr)]
        calls = [node for string in strings for node in ast.walk(string) if isinstance(node, ast.Call)]
        found += [f"inside an f-string: {path.name}:{call.lineno}" for call in calls if _name(call) in KEYWORDS]
    return found


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def compile_catalogue(path: Path = PO) -> None:
    """Write the .mo beside the .po, if it is older or not there."""
    target = path.with_suffix(".mo")
    if target.exists() and target.stat().st_mtime_ns >= path.stat().st_mtime_ns:
        return
    with target.open("wb") as file:
        write_mo(file, load(path))


def update(path: Path = PO) -> None:
    catalog = load(path)
    catalog.update(extracted(), no_fuzzy_matching=True, update_header_comment=False)
    catalog.obsolete.clear()
    for message in sorted((each for each in catalog if each.id), key=lambda each: (each.context or "", _name_of(each))):
        catalog.delete(message.id, message.context)
        catalog[message.id] = message  # behind all others: what an agent says stands at the end
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog, width=120, no_location=True, omit_header=False)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compile, update or check the catalogue of the pages' words.")
    parser.add_argument("--update", action="store_true", help="take new msgids in")
    parser.add_argument("--check", action="store_true", help="fail if anything is not translated")
    given = parser.parse_args()
    if given.update:
        update()
    if given.check:
        found = problems(load(), extracted()) + hidden()
        print("\n".join(found) or "Translations are complete.")
        return 1 if found else 0
    compile_catalogue()
    return 0


if __name__ == "__main__":
    sys.exit(main())
