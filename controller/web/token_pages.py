"""Tokens for programs: all of the scope for administrators, and making and ending one's own."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, Response

from controller.identity.policy import Permission, Principal
from controller.identity.tokens import NoSuchToken, WrongToken
from controller.services import Services
from controller.web import people_view
from controller.web.access import Seated, seated_with
from controller.web.account_pages import account_page
from controller.web.frame import language_of, render
from controller.web.people_words import wrong_token
from controller.web.planning import see
from controller.web.token_form import FIELDS, wish_of
from controller.web.visit import Form

Keeper = Annotated[Principal, Depends(seated_with(Permission.MANAGE_USERS))]
TokenId = Annotated[str, InPath(max_length=32)]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("/people/tokens")
    def tokens(request: Request, who: Keeper) -> Response:
        words, now_ms = language_of(request), services.now_ms()
        found = [people_view.token_entry(each, words, now_ms, owner) for each, owner in services.tokens.everybodys(who)]
        values: Mapping[str, object] = {"tokens": found, "tabs": people_view.tabs(who, request.url.path, words)}
        return render(services, request, "tokens.html", values)

    @routes.post("/people/tokens/{token_id}/revoke")
    def revoke(who: Keeper, token_id: TokenId) -> Response:
        _revoke(services, who, token_id)
        return see("/people/tokens")

    @routes.post("/account/tokens")
    def make(request: Request, who: Seated, given: Form) -> Response:
        words = language_of(request)
        try:
            token = services.tokens.make(who, who.id, wish_of(given))
        except WrongToken as wrong:
            problems = {FIELDS[wrong.fault]: wrong_token(wrong.fault, words)}
            return account_page(services, request, who, token_given=given, token_problems=problems)
        values = {"token": token, "name": given.get("token-name", ""), "back": "/account", "tabs": ()}
        return render(services, request, "token_made.html", values)

    @routes.post("/account/tokens/{token_id}/revoke")
    def revoke_own(who: Seated, token_id: TokenId) -> Response:
        if token_id not in {each.id for each in services.tokens.of(who)}:
            raise HTTPException(404, "no such token")
        _revoke(services, who, token_id)
        return see("/account")

    return routes


def _revoke(services: Services, who: Principal, token_id: str) -> None:
    try:
        services.tokens.revoke(who, token_id)
    except NoSuchToken:
        raise HTTPException(404, "no such token") from None
