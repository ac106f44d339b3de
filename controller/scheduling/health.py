"""How machines are, as the rules of booking ask for it."""

from controller.alerts.rules import DeviceState
from controller.fleet.live import LiveFleet
from controller.scheduling.facts import Health
from controller.scope import CLUSTER


def of_fleet(live: LiveFleet) -> Health:
    """The state of a device now."""

    def state(device_id: int) -> DeviceState | None:
        try:
            return live.device(CLUSTER, device_id).state
        except KeyError:
            return None

    return state
