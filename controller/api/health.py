"""GET /healthz, /readyz and /metrics: for whoever watches the watcher."""

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from controller.api.models import Health, Problem, Readiness
from controller.config import is_loopback
from controller.identity.policy import Permission, may
from controller.metrics import registry_of
from controller.services import Services
from controller.web.signin import address

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["health"])
    registry = registry_of(services)

    @routes.get("/healthz", openapi_extra={"security": []})
    def healthz() -> Health:
        """The process answers."""
        return Health(status="ok")

    @routes.get(
        "/readyz",
        openapi_extra={"security": []},
        responses={503: {"model": Readiness, "description": "Some part does not work"}},
    )
    def readyz(response: Response) -> Readiness:
        """Each part the controller cannot work without."""
        ready = services.plant.ready()
        if not (ready.database and ready.broker and ready.writer):
            response.status_code = 503
        return Readiness(database=ready.database, broker=ready.broker, writer=ready.writer)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"},
            403: {"model": Problem, "description": "Neither from this machine nor with a permitted token"},
        },
    )
    def metrics(request: Request) -> Response:
        """For Prometheus: from this machine itself, or with a bearer token that may see the whole cluster."""
        user = request.state.user
        proxied = any(name in request.headers for name in _FORWARDED)
        near = is_loopback(address(request)) and not proxied
        if not near and not (request.state.bearer and may(user, Permission.VIEW_METRICS)):
            raise HTTPException(403, "from this machine, or with a bearer token of the cluster's scope")
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes
