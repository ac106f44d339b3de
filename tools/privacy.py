"""Write docs/privacy.md from the register of personal data; `--check` fails if it differs."""

import sys

from controller.privacy.register import FILES, REGISTER, Holding, Kind
from tools.documents import FOLDER, keep, markdown

DOCUMENT = FOLDER / "privacy.md"
HEAD = """# Personal data

Written by `python -m tools.privacy` from `controller/privacy/register.py`; `make check` holds it to that, and a
test holds the register to the tables.

Fabfleet keeps personal data of staff with an account: teachers, technicians, coordinators, administrators,
auditors. Pupils have none: they are head-counts, and no field asks for a pupil's name. Whoever runs the
installation (a school, or a cluster of schools) decides why and how these data are processed, and answers for
it under Vietnam's law on the protection of personal data; these pages give what is needed for that, and are no
legal advice. Nothing is sent to
anybody but whom the person or their school has named ([webhooks, Home Assistant](interop.md): opaque ids at the
most), and nobody is profiled.

## What a person can ask for

- **To see it, and to have it as a file:** the menu of the account, *My personal data*; an administrator under
  *People's data*; or `fabfleet user export LOGIN`. JSON: every row that names the person, with its purpose.
  Secrets are left out.
- **To have it corrected:** an administrator.
- **To be erased:** an administrator under *People's data*, or `fabfleet user erase LOGIN --yes`. Sessions,
  tokens and calendar addresses end at once; bookings to come are cancelled; what a row tells of the person is
  blanked. Bookings that were stay as statistics without a name. The audit log and the leases name people by an
  opaque id, which leads to nobody then; so their proofs still hold. It cannot be undone. Texts that others
  wrote may still name the person.

The audit log is kept whole. Each line stands in a sealed segment of a chain of SHA-256; `fabfleet verify` names
lines that were altered, removed or inserted, and tells the last seal. Note that down elsewhere from time to
time: `fabfleet verify --seal NUMBER:HASH` then also shows a log that was written anew or cut off.
"""


def document() -> str:
    """The whole text."""
    personal = [each for each in REGISTER.values() if each.personal]
    others = ", ".join(f"`{each.table}`" for each in REGISTER.values() if not each.personal)
    return "\n".join(
        (
            HEAD,
            "## In the tables\n",
            markdown(("table", "of people", "purpose", "kept", "seen by", "when erased"), map(_row, personal)),
            "*id*: opaque, only the account resolves it; *words*: free text that may name people; *secret*: a hash.\n",
            f"Nothing about people: {others}.\n",
            "## Outside of the tables\n",
            markdown(
                ("where", "what", "kept", "seen by"),
                ((each.name, each.holds, each.kept, each.seen_by) for each in FILES),
            ),
        )
    )


def _row(each: Holding) -> tuple[str, ...]:
    shown = {Kind.PERSON: "id", Kind.DATUM: "", Kind.WORDS: "words", Kind.SECRET: "secret"}
    held = [
        f"{label + ': ' if label else ''}{', '.join(each.of(kind))}" for kind, label in shown.items() if each.of(kind)
    ]
    return f"`{each.table}`", "; ".join(held), each.purpose, each.kept, each.seen_by, each.erasure


def main() -> int:
    return keep(DOCUMENT, document, "python -m tools.privacy", __doc__)


if __name__ == "__main__":
    sys.exit(main())
