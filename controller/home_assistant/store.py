"""Every query of what schools tell Home Assistant. The caller commits."""

from collections.abc import Mapping

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from controller.broker.access import Reader
from controller.home_assistant.discovery import prefix
from controller.home_assistant.tables import HomeAssistantLink


def of_school(db: Session, school_id: str) -> HomeAssistantLink | None:
    return db.get(HomeAssistantLink, school_id)


def languages(engine: Engine) -> Mapping[str, str]:
    """The schools that have it switched on, and the language of the names there."""
    with Session(engine) as db:
        asked = select(HomeAssistantLink.school_id, HomeAssistantLink.language)
        return dict(db.exec(asked.where(col(HomeAssistantLink.switched_on))).all())


def readers(engine: Engine) -> list[Reader]:
    """Who may hear what is told of the schools that have it switched on."""
    with Session(engine) as db:
        asked = select(HomeAssistantLink).where(
            col(HomeAssistantLink.switched_on), HomeAssistantLink.password_hash != ""
        )
        return [
            Reader(user_of(each.school_id), prefix(each.school_id), each.password_hash, each.mosquitto_hash)
            for each in db.exec(asked.order_by(HomeAssistantLink.school_id))
        ]


def user_of(school_id: str) -> str:
    """The school's user name at the broker for Home Assistant."""
    return f"ha_{school_id}"
