"""GET /rollups: what readings became, by five minutes or hours, for whoever keeps it elsewhere."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query

from controller.api.ids import LARGEST
from controller.api.models import Problem, RollupsOut
from controller.fleet.roster import numeric_series
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.telemetry.tiers import FIVE_MINUTES, HOUR
from controller.web.access import allowed

Viewer = Annotated[Principal, Depends(allowed(Permission.VIEW_DEVICES))]
_LATEST_MS = 4_102_444_800_000
_MOST = 100_000
"""Stretches of one answer."""


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["devices"])

    @routes.get("/rollups", responses={400: {"model": Problem, "description": "The time span is empty or too long"}})
    def rollups(
        *,
        who: Viewer,
        tier: Literal["5min", "1h"] = "1h",
        from_ms: Annotated[int, Query(alias="from", ge=0, le=_LATEST_MS)],
        to_ms: Annotated[int, Query(alias="to", ge=0, le=_LATEST_MS)],
        after: Annotated[
            int, Query(ge=0, le=LARGEST, description="series of which all was answered; `next` of that answer")
        ] = 0,
        series: Annotated[int, Query(ge=1, le=500, description="at most so many series")] = 50,
    ) -> RollupsOut:
        """The stretches that begin from `from` up to, not including, `to`, of the series in the asker's scope, in the
        order of their ids. Ask again with `after` as long as `next` is not null.
        """
        grain = HOUR if tier == HOUR.tier.value else FIVE_MINUTES
        if not 0 < to_ms - from_ms <= _MOST // series * grain.width_ms:
            longest = _MOST // series * grain.width_ms // 3_600_000
            raise HTTPException(400, f"`from` must lie before `to`, at most {longest} hours for {series} series")
        found = numeric_series(services.engine, who.scope, after, series)
        buckets = services.history.buckets(grain, [each.id for each in found], from_ms, to_ms)
        return RollupsOut(
            tier=grain.tier,
            resolution_ms=grain.width_ms,
            series=[(each.id, each.device_id, each.metric, each.unit) for each in found],
            rollups=[bucket[:6] for bucket in buckets],
            next=found[-1].id if len(found) == series else None,
        )

    return routes
