"""What the API says of Home Assistant and webhooks, as typed models. Times as in `models`."""

from typing import Annotated, Literal, Self

from pydantic import Field

from controller.api.models import Model
from controller.home_assistant.settings import Account, LinkView
from controller.notifications.states import DeliveryState
from controller.webhooks.kinds import CHOICES, EventKind
from controller.webhooks.settings import HookView, Made, SentView

LONGEST_URL = 1_000


class HomeAssistantIn(Model):
    """Whether Home Assistant is told of the school's devices, and in which language their names are."""

    on: bool
    language: Literal["vi", "en"] = "vi"


class HomeAssistantOut(Model):
    """`prefix` is the discovery prefix. `account_made_ms`: when the password was made that is good now; null: none."""

    on: bool
    language: str
    prefix: str
    user: str
    account_made_ms: int | None

    @classmethod
    def of(cls, view: LinkView) -> Self:
        return cls(
            on=view.switched_on,
            language=view.language,
            prefix=view.prefix,
            user=view.user,
            account_made_ms=view.made_ms,
        )


class AccountOut(Model):
    """What Home Assistant signs in with at the broker. The password is told only here."""

    user: str
    password: str

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(user=account.user, password=account.password)


class WebhookIn(Model):
    """`kinds`: what it is told of."""

    url: Annotated[str, Field(max_length=LONGEST_URL)]
    kinds: Annotated[list[EventKind], Field(min_length=1, max_length=len(CHOICES))]


class WebhookOut(Model):
    """`host` is all that is told of its address. `result` is the last attempt's code, empty before the first."""

    id: int
    host: str
    kinds: list[EventKind]
    created_ms: int
    tried_ms: int | None
    result: str

    @classmethod
    def of(cls, view: HookView) -> Self:
        return cls(
            id=view.id,
            host=view.host,
            kinds=list(view.kinds),
            created_ms=view.created_ms,
            tried_ms=view.tried_ms,
            result=view.result,
        )


class WebhookList(Model):
    items: list[WebhookOut]


class WebhookMade(Model):
    """The secret that signatures are checked with (`whsec_...`), told only here."""

    id: int
    secret: str

    @classmethod
    def of(cls, made: Made) -> Self:
        return cls(id=made.id, secret=made.secret)


class TestOut(Model):
    """`sent`, or why it was not: a stable code, or `http-NNN` as the receiver answered."""

    __test__ = False

    result: str


class DeliveryOut(Model):
    """`event` is the header webhook-id. It is `failed` when it was given up, for the reason in `result`."""

    id: int
    event: str
    kind: EventKind
    host: str
    state: DeliveryState
    created_ms: int
    due_ms: int
    ended_ms: int | None
    attempts: int
    result: str

    @classmethod
    def of(cls, view: SentView) -> Self:
        return cls(
            id=view.id,
            event=view.event,
            kind=view.kind,
            host=view.host,
            state=view.state,
            created_ms=view.created_ms,
            due_ms=view.due_ms,
            ended_ms=view.ended_ms,
            attempts=view.attempts,
            result=view.result,
        )


class DeliveryList(Model):
    items: list[DeliveryOut]
