"""An answer that is long on its way."""

from playwright.sync_api import APIResponse, Page, Route


class HeldBack:
    """The server's answer to the page's next request for `pattern`, as it was then; the page has it after `let_go`."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._held: list[tuple[Route, APIResponse]] = []
        page.route(pattern, self._hold, times=1)

    def let_go(self) -> None:
        [(route, answer)] = self._held
        route.fulfill(response=answer)

    def _hold(self, route: Route) -> None:
        self._held.append((route, route.fetch()))
