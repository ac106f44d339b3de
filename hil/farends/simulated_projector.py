"""The projector of hil.farends.projector as a child process: how it is started, told and asked."""

import sys
from collections.abc import Mapping

from hil.farends.child import Child

WARM_S = 0.3
PROMPT: Mapping[str, float] = {"reply_s": 2.0, "confirm_s": 20.0}
"""What its bridge is told: it answers at once, or after a second or two where the computer is busy."""


class SimulatedProjector:
    """A running projector that warms up and cools down in WARM_S. Killed and restarted, it keeps its ports."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self.port = self.udp_port = 0
        self.restart()

    def restart(self) -> None:
        times = ["--warm-up", str(WARM_S), "--cool-down", str(WARM_S)]
        ports = ["--port", str(self.port), "--udp-port", str(self.udp_port)]
        self.child = Child([sys.executable, "-m", "hil.farends.projector", *ports, *times, *self._options])
        self.port, self.udp_port = (int(word) for word in self.child.wait_for("ready").split()[1:])

    @property
    def endpoint(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def tell(self, order: str) -> None:
        self.child.ask(order, "did")

    def kill(self) -> None:
        self.child.kill()

    def close(self) -> None:
        self.child.close()

    def state(self) -> Mapping[str, str]:
        """What the projector itself says of its state."""
        words = self.child.ask("state", "state").split()[1:]
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def wait_for_request(self, start: str) -> None:
        """Until it has got a request that begins so. Raises TimeoutError."""
        self.child.wait_for(f"heard {start}")

    def heard(self, start: str = "") -> list[str]:
        """The requests that it got and that begin so."""
        return [line for _, line in self.child.lines if line.startswith(f"heard {start}")]
