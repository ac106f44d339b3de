"""GET /quarantine: what came and was not taken, for a technician to look at."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from controller.api.models import QuarantinedOut, QuarantinePage
from controller.identity.policy import Permission, Principal
from controller.ingest.quarantine import counts, entries
from controller.services import Services
from controller.web.access import allowed

Technician = Annotated[Principal, Depends(allowed(Permission.VIEW_QUARANTINE))]
SHOWN = 2_000
"""Bytes of a payload that are told."""


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["quarantine"])

    @routes.get("/quarantine")
    def quarantine(
        who: Technician,
        reason: Annotated[str, Query(max_length=40, description="only what has this reason")] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> QuarantinePage:
        """Newest first. Under a school's scope only what came on that school's topics."""
        rows = entries(services.engine, who.scope, reason, limit)
        items = [
            QuarantinedOut(
                id=row.id or 0,
                received_ms=row.received_ms,
                school=row.school_id,
                topic=row.topic,
                reason=row.reason,
                detail=row.detail,
                items=row.item_count,
                size=row.size,
                content=row.content[:SHOWN].decode("utf-8", "backslashreplace").replace("\0", "\\0"),
            )
            for row in rows
        ]
        return QuarantinePage(items=items, counts=counts(services.engine, who.scope))

    return routes
