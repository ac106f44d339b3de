"""What the pages of people say of roles, permissions and what cannot be."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from controller.identity import people, tokens
from controller.identity.password import LONGEST, SHORTEST
from controller.identity.password import Fault as PasswordFault
from controller.identity.people import WrongPerson
from controller.identity.policy import Permission
from controller.web.i18n import Language

_Say: TypeAlias = Callable[[Language], str]

PERMISSIONS: Final[Mapping[Permission, _Say]] = {
    Permission.VIEW_DEVICES: lambda words: words.t("See devices and their readings"),
    Permission.VIEW_FLEET: lambda words: words.t("See all devices at once"),
    Permission.COMMAND: lambda words: words.t("Send commands to machines"),
    Permission.HANDLE_JOBS: lambda words: words.t("Send, release and stop jobs"),
    Permission.BOOK: lambda words: words.t("Book machines"),
    Permission.MANAGE_BOOKINGS: lambda words: words.t("Confirm, move and cancel bookings of others"),
    Permission.PLAN: lambda words: words.t("Change school time, rooms and what can be booked"),
    Permission.VIEW_REPORTS: lambda words: words.t("Read reports"),
    Permission.VIEW_AUDIT: lambda words: words.t("Read the audit log"),
    Permission.VIEW_QUARANTINE: lambda words: words.t("See messages that were set aside"),
    Permission.VIEW_METRICS: lambda words: words.t("Read the server's own figures"),
    Permission.ENROL_AGENTS: lambda words: words.t("Add agents"),
    Permission.CONFIGURE: lambda words: words.t("Change the settings of agents"),
    Permission.CONNECT: lambda words: words.t("Connect other programs: Home Assistant, webhooks"),
    Permission.MANAGE_USERS: lambda words: words.t("Look after people"),
    Permission.SET_RIGHTS: lambda words: words.t("Say who may command which machines"),
}
FAMILIES: Final[Mapping[str, _Say]] = {
    "access-point": lambda words: words.t("Access points"),
    "board": lambda words: words.t("Interactive boards"),
    "computer": lambda words: words.t("Computers"),
    "kit": lambda words: words.t("Kits"),
    "laser": lambda words: words.t("Laser cutters"),
    "network": lambda words: words.t("Networks"),
    "permit": lambda words: words.t("Relays that let machines run"),
    "plug": lambda words: words.t("Smart plugs"),
    "printer": lambda words: words.t("Paper printers"),
    "printer-3d": lambda words: words.t("3D printers"),
    "projector": lambda words: words.t("Projectors"),
    "robot": lambda words: words.t("Robots"),
    "sensor": lambda words: words.t("Sensors"),
    "switch": lambda words: words.t("Network switches"),
}
"""A class that is not here goes by its own name."""
_PEOPLE: Final[Mapping[people.Fault, _Say]] = {
    people.Fault.LOGIN: lambda words: words.t("There is no such user name, or it is longer than 64 letters."),
    people.Fault.LOGIN_TAKEN: lambda words: words.t("Somebody has this user name already."),
    people.Fault.NAME: lambda words: words.t("Write the full name, of at most 128 letters."),
    people.Fault.ROLE: lambda words: words.t("Choose a role."),
    people.Fault.SCHOOL: lambda words: words.t("Choose one of your schools."),
    people.Fault.NEEDS_SCHOOL: lambda words: words.t("A teacher belongs to a school: choose it."),
    people.Fault.ONESELF: lambda words: words.t("This is your own account: another administrator does this for you."),
    people.Fault.LAST: lambda words: words.t("This is the last administrator of the cluster: add another one first."),
}
_TOKENS: Final[Mapping[tokens.Fault, _Say]] = {
    tokens.Fault.NAME: lambda words: words.t("Write what it is for, in at most 64 letters."),
    tokens.Fault.DAYS: lambda words: words.t("From {least} to {most}.", least=1, most=tokens.LONGEST_DAYS),
    tokens.Fault.PERMISSIONS: lambda words: words.t("Choose at least one thing that the token is good for."),
    tokens.Fault.TOO_MANY: lambda words: words.t("There are {n} tokens already: revoke one first.", n=tokens.MOST),
}
_PASSWORDS: Final[Mapping[PasswordFault, _Say]] = {
    PasswordFault.SHORT: lambda words: words.t("A password has at least {n} characters.", n=SHORTEST),
    PasswordFault.LONG: lambda words: words.t("A password has at most {n} characters.", n=LONGEST),
    PasswordFault.COMMON: lambda words: words.t(
        "Many people use this password, so it is tried first. A few words in a row are better."
    ),
    PasswordFault.OWN_NAME: lambda words: words.t("A password is not one's own name."),
}


def wrong_person(wrong: WrongPerson, words: Language) -> str:
    return _PEOPLE[wrong.fault](words)


def wrong_token(fault: tokens.Fault, words: Language) -> str:
    return _TOKENS[fault](words)


def weak(fault: PasswordFault, words: Language) -> str:
    return _PASSWORDS[fault](words)


def permission_word(permission: Permission, words: Language) -> str:
    return PERMISSIONS[permission](words)


def family_word(family: str, words: Language) -> str:
    return FAMILIES[family](words) if family in FAMILIES else family
