"""What the composition root hands to routers: everything a page or an endpoint may use, made once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from controller.config import ControllerConfig

if TYPE_CHECKING:
    from controller.fleet.live import LiveFleet
    from controller.identity.signin import SignIn
    from controller.web.live import Hub


@dataclass(frozen=True, slots=True)
class Services:
    """Made by `controller.main.create_app`; routers are functions of it and hold nothing else.

    In every request handled by a page or an endpoint: `request.state.user` is a `identity.policy.Principal` (None
    on public routes), `request.state.csrf` the token that forms carry in the hidden field `csrf` (scripts: header
    `X-CSRF-Token`), `request.state.lang` is "vi" or "en".
    """

    config: ControllerConfig
    engine: Engine
    live: "LiveFleet"
    hub: "Hub"
    signin: "SignIn"
    now_ms: Callable[[], int]
