"""GET /devices/{id}/series/{metric}: one metric over time."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query

from controller.api.devices import NO_DEVICE, NOT_FOUND
from controller.api.ids import RowId
from controller.api.models import Problem, SeriesOut
from controller.fleet.roster import find_series
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.telemetry.child import ArchiveError
from controller.telemetry.store import Line
from controller.web.access import allowed

Viewer = Annotated[Principal, Depends(allowed(Permission.VIEW_DEVICES))]
DAY_MS = 86_400_000
LONGEST_MS = 3_660 * DAY_MS
_LATEST_MS = 4_102_444_800_000


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["devices"])

    @routes.get(
        "/devices/{device_id}/series/{metric}",
        responses={
            **NOT_FOUND,
            400: {"model": Problem, "description": "The time span is empty or too long"},
            503: {"model": Problem, "description": "The archive does not answer"},
        },
    )
    def series(
        *,
        who: Viewer,
        device_id: RowId,
        metric: Annotated[str, Path(max_length=63)],
        from_ms: Annotated[int | None, Query(alias="from", ge=0, le=_LATEST_MS)] = None,
        to_ms: Annotated[int | None, Query(alias="to", ge=0, le=_LATEST_MS)] = None,
        points: Annotated[int, Query(ge=2, le=5_000)] = 500,
    ) -> SeriesOut:
        """Without `to` up to now, without `from` the 24 hours before it. Extremes survive the thinning.

        Short spans are answered from all readings, long ones from what was rolled up: with `points` stretches that are
        at least as long as five minutes, or an hour, from these. What is not kept so finely any more is answered from
        what is; `tier` and `resolution_ms` say what became of it.
        """
        until = services.now_ms() if to_ms is None else to_ms
        begin = max(0, until - DAY_MS) if from_ms is None else from_ms
        if not 0 < until - begin <= LONGEST_MS:
            raise HTTPException(400, "`from` must lie before `to`, at most ten years")
        try:
            services.live.device(who.scope, device_id)
        except KeyError:
            raise NO_DEVICE from None
        found = find_series(services.engine, who.scope, device_id, metric)
        if found is None:
            raise HTTPException(404, "the device has no such metric")
        line = _line(services, found.id, begin, until, points)
        return SeriesOut(
            device=device_id,
            metric=metric,
            unit=found.unit,
            kind=found.kind,
            from_ms=begin,
            to_ms=until,
            tier=line.tier,
            resolution_ms=line.resolution_ms,
            points=[(at_ms, value) for at_ms, value in line.points],
        )

    return routes


def _line(services: Services, series: int, from_ms: int, to_ms: int, points: int) -> Line:
    try:
        return services.history.line(series, from_ms, to_ms, points)
    except ArchiveError:
        raise HTTPException(503, "the archive does not answer; ask for fewer points or a later time") from None
