"""GET /files/{digest}: a print job's file, for the agent of the machine that is to print it."""

import logging
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path
from fastapi.responses import FileResponse

from controller.api.models import Problem
from controller.fleet import keys
from controller.services import Services

_HEADERS = {"content-encoding": "identity", "cache-control": "no-store"}
"""Sent as it is: its length is told, and its digest is checked at the other end."""
_log = logging.getLogger(__name__)


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["files"])

    @routes.get(
        "/files/{digest}",
        response_class=FileResponse,
        openapi_extra={"security": []},
        responses={
            200: {"content": {"application/octet-stream": {}}, "description": "The file"},
            400: {"model": Problem, "description": "The path leads nowhere"},
            401: {"model": Problem, "description": "The proof is missing or wrong, or the agent was revoked"},
            404: {"model": Problem, "description": "No job with this file was released for this agent"},
            422: {"model": Problem, "description": "Not a SHA-256"},
        },
    )
    def file(
        digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256")],
        authorization: Annotated[str, Header(max_length=300)] = "",
    ) -> FileResponse:
        """Takes no session and no bearer token: `Authorization: Fabfleet <school>.<agent> <proof>`, where the proof is
        the hexadecimal HMAC-SHA256 of `GET /api/v1/files/<digest>` under the agent's lease key."""
        agent_id = keys.proven(services.engine, authorization, f"GET /api/v1/files/{digest}")
        if agent_id is None:
            raise HTTPException(401, "this is for agents", {"www-authenticate": keys.SCHEME})
        path = services.jobs.file_for_agent(agent_id, digest)
        if path is None:
            raise HTTPException(404, "no job with this file was released for this agent")
        _log.info("agent %d fetches the file %s", agent_id, digest[:12])
        return FileResponse(path, media_type="application/octet-stream", headers=_HEADERS)

    return routes
