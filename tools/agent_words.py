"""Write what bridges say in Vietnamese for the agent, from the pages' catalogue; `--check` fails if it differs."""

import json
import sys

from babel.messages.pofile import read_po

from agent.reason_words import TEMPLATES
from controller.web.i18n import AGENT
from tools.documents import keep
from tools.reasons import templates
from tools.translations import PO


def document() -> str:
    with PO.open("rb") as file:
        catalogue = read_po(file)
    said = {}
    for each in templates():
        message = catalogue.get(each.text, AGENT)
        if each.path.startswith("firmware_bridges/") and message is not None and message.string:
            said[each.text] = str(message.string)
    return json.dumps(said, ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def main() -> int:
    return keep(TEMPLATES, document, "python -m tools.agent_words", __doc__)


if __name__ == "__main__":
    sys.exit(main())
