"""The machine permit on a simulated Arduino: what its pins do by the processor's word, and what its page shows."""

from playwright.sync_api import Locator, Page

from hil.farends.board import Board

GRAIN_C = 1.0
"""Two steps of the board's converter, by the profile's 100 degrees a volt."""
SOON_MS = 30_000
"""On a busy machine a simulated board is ten times slower than a real one."""
PATIENT = "{ reply_s = 60, boot_s = 60 }"
"""Options of its device in agent.toml, as TOML."""
FOLLOW = """() => {
    window.sameDocument = true;
    window.seen = [];
    const look = () => {
        const command = document.querySelector('.cmd');
        if (command && command.dataset.status !== window.seen.at(-1)) window.seen.push(command.dataset.status);
    };
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""
"""Has the page keep every state of its newest command, in the order in which it showed them."""


def relay(board: Board) -> bool:
    """Whether the pin that switches the machine is on, by the processor's word."""
    pin = board.pin("D", 7)
    return pin.output and pin.high


def feel(board: Board, celsius: float) -> None:
    """Let the sensor at the analog pin be so warm."""
    board.voltage(0, (celsius + 50.0) / 100.0)


def shown(page: Page, metric: str) -> Locator:
    return page.locator(f"[data-metric={metric}] .v")


def line(page: Page, metric: str = "temperature") -> list[float | None]:
    """The points of a metric's chart from its first value on; None where data is missing."""
    points: list[float | None] = page.evaluate(
        "metric => document.querySelector(`[data-chart=${metric}]`).plot.data[1]", metric
    )
    return points[next(place for place, point in enumerate(points) if point is not None) :]


def expect_celsius(page: Page, celsius: float, timeout_ms: int = SOON_MS) -> None:
    """As the newest value, and at the end of the chart's line."""
    page.wait_for_function(
        """([wanted, grain]) => {
            const near = text => Math.abs(parseFloat(text) - wanted) <= grain;
            const value = document.querySelector('[data-metric=temperature] .v').textContent.replace(',', '.');
            const chart = document.querySelector('[data-chart=temperature]').plot;
            return near(value) && near(chart.data[1].at(-1));
        }""",
        arg=[celsius, GRAIN_C],
        timeout=timeout_ms,
    )
