"""The answer to a request whose form is wrong, before anything looks at its meaning."""

from typing import Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response

from controller.api.models import Problem
from controller.web.refusal import page, reads_pages

_SHOWN: Final = 5


def malformed(request: Request, error: Exception) -> Response:
    """A page for people. Programs are told where and why, and never what was sent: that may be secret, or nothing that
    JSON can hold.
    """
    if not isinstance(error, RequestValidationError):
        raise error
    if reads_pages(request):
        return HTMLResponse(page(request, 422), 422)
    faults = [f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors()[:_SHOWN]]
    return JSONResponse(Problem(detail="; ".join(faults), code="malformed").model_dump(), 422)


def _place(parts: tuple[int | str, ...]) -> str:
    """Keys of the request are in it: whatever they are, they become ASCII, and short."""
    return ".".join(str(part)[:64].encode("ascii", "backslashreplace").decode() for part in parts)
