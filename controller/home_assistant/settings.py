"""What a school's administrator or technician sets: whether Home Assistant is told, and the password to hear it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session

from controller.broker.access import hash_password, mosquitto_hash, new_password
from controller.fleet.tables import School
from controller.home_assistant import store
from controller.home_assistant.discovery import prefix
from controller.home_assistant.errors import NoSuchSchool, NotSwitchedOn, WrongLanguage
from controller.home_assistant.tables import HomeAssistantLink
from controller.identity.policy import Principal
from controller.identity.store import audit

LANGUAGES: Final = ("vi", "en")


@dataclass(frozen=True, slots=True)
class LinkView:
    """A school's. `made_ms`: when the password was made that is good now, None if there is none."""

    school_id: str
    switched_on: bool
    language: str
    made_ms: int | None

    @property
    def prefix(self) -> str:
        return prefix(self.school_id)

    @property
    def user(self) -> str:
        return store.user_of(self.school_id)


@dataclass(frozen=True, slots=True)
class Account:
    """What Home Assistant signs in with at the broker. Told once."""

    user: str
    password: str = field(repr=False)


class HomeAssistants:
    """Safe to use from any thread. Every method raises NoSuchSchool for one outside of the asker's scope.

    After a commit `switched` is called if something else is to be told, `admit` if the broker is to let others in.
    `address` is where the request came from, for the audit log.
    """

    def __init__(
        self, engine: Engine, now_ms: Callable[[], int], *, switched: Callable[[], None], admit: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._switched = switched
        self._admit = admit

    def of(self, who: Principal, school_id: str) -> LinkView:
        with Session(self._engine) as db:
            row = self._row(db, who, school_id)
            return LinkView(school_id, row.switched_on, row.language, row.made_ms if row.password_hash else None)

    def switch(
        self, who: Principal, school_id: str, *, on: bool, language: str = LANGUAGES[0], address: str = ""
    ) -> None:
        """Tell Home Assistant of the school's devices, or take everything back and let nobody in.

        Who listens hears that it is taken back: the broker sends them away a moment later (`main.FOLLOW_S`). Raises
        WrongLanguage.
        """
        if language not in LANGUAGES:
            raise WrongLanguage(f"{language!r} is none of {', '.join(LANGUAGES)}")
        with Session(self._engine) as db:
            row = self._row(db, who, school_id)
            row.switched_on, row.language = on, language
            if not on:
                _void(row)
            action = "home-assistant-on" if on else "home-assistant-off"
            self._keep(db, who, row, action, address=address, detail=language)
        self._switched()

    def make_account(self, who: Principal, school_id: str, *, address: str = "") -> Account:
        """A new password; the former is good no more. Raises NotSwitchedOn."""
        password = new_password()
        with Session(self._engine) as db:
            row = self._row(db, who, school_id)
            if not row.switched_on:
                raise NotSwitchedOn(f"{school_id} does not tell Home Assistant of its devices")
            row.password_hash, row.mosquitto_hash = hash_password(password), mosquitto_hash(password)
            row.made_ms = self._now_ms()
            self._keep(db, who, row, "home-assistant-account-make", address=address)
        self._admit()
        return Account(store.user_of(school_id), password)

    def revoke_account(self, who: Principal, school_id: str, *, address: str = "") -> None:
        """Nobody hears the school from now on; who does is disconnected."""
        with Session(self._engine) as db:
            row = self._row(db, who, school_id)
            _void(row)
            self._keep(db, who, row, "home-assistant-account-revoke", address=address)
        self._admit()

    def _row(self, db: Session, who: Principal, school_id: str) -> HomeAssistantLink:
        """What there is, or what there would be."""
        if not who.scope.covers(school_id) or db.get(School, school_id) is None:
            raise NoSuchSchool(f"no school {school_id}")
        return store.of_school(db, school_id) or HomeAssistantLink(school_id=school_id, changed_ms=0)

    def _keep(self, db: Session, who: Principal, row: HomeAssistantLink, action: str, **more: str) -> None:
        row.changed_ms, school_id = self._now_ms(), row.school_id
        db.add(row)
        audit(db, row.changed_ms, action, actor=who.id, subject=school_id, school_id=school_id, **more)
        db.commit()


def _void(row: HomeAssistantLink) -> None:
    row.password_hash, row.mosquitto_hash, row.made_ms = "", "", None
