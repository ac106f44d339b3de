"""What changed in a school's live fleet since it was last told of. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.fleet.picture import Attention, DeviceView
from controller.webhooks.body import moment
from controller.webhooks.events import Happening
from controller.webhooks.kinds import EventKind

_MOST: Final = 50
"""Devices that are named of one incident."""


@dataclass(frozen=True, slots=True)
class Note:
    """As `tables.WebhookWatch`."""

    value: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Change:
    """What is now noted of `key` (None: nothing any more), and what is told of it, if anything is."""

    key: str
    note: Note | None
    told: Happening | None = None


def changes(
    before: Mapping[str, Note],
    devices: Sequence[DeviceView],
    causes: Sequence[Attention],
    now_ms: int,
    new_id: Callable[[], str],
) -> Sequence[Change]:
    """Where nothing was noted yet, everything is noted and nothing told: it did not happen now."""
    found = [*_of_devices(before, devices, now_ms), *_of_causes(before, causes, now_ms, new_id)]
    return found if before else [Change(each.key, each.note) for each in found]


def device_data(view: DeviceView) -> Mapping[str, Any]:
    """How a device is named outside."""
    return {
        "id": view.id,
        "device": view.slug,
        "agent": view.agent,
        "name": view.name,
        "room": view.room,
        "profile": view.profile_slug,
    }


def _of_devices(before: Mapping[str, Note], devices: Sequence[DeviceView], now_ms: int) -> Iterable[Change]:
    keys = set()
    for view in devices:
        key = f"device {view.id}"
        keys.add(key)
        was, note = before.get(key), Note(view.state.value, now_ms)
        if was is None:
            yield Change(key, note)
        elif was.value != view.state:
            data = {
                **device_data(view),
                "state": view.state.value,
                "before": was.value,
                "reasons": [each.code for each in view.reasons],
            }
            yield Change(key, note, Happening(EventKind.DEVICE_STATE, data))
    yield from (Change(key, None) for key in before if key.startswith("device ") and key not in keys)


def _of_causes(
    before: Mapping[str, Note], causes: Sequence[Attention], now_ms: int, new_id: Callable[[], str]
) -> Iterable[Change]:
    found = {_key(each): each for each in causes}
    for key, cause in found.items():
        if key not in before:
            note = Note(new_id(), now_ms)
            yield Change(key, note, Happening(EventKind.INCIDENT_OPENED, _incident(cause, note)))
    for key, note in before.items():
        if key.startswith("cause ") and key not in found:
            data = {"incident": note.value, "opened": moment(note.at_ms)}
            yield Change(key, None, Happening(EventKind.INCIDENT_CLOSED, data))


def _key(cause: Attention) -> str:
    first = cause.devices[0]
    return f"cause agent {first.agent_id}" if cause.by_agent else f"cause device {first.id}"


def _incident(cause: Attention, note: Note) -> Mapping[str, Any]:
    first = cause.devices[0]
    return {
        "incident": note.value,
        "opened": moment(note.at_ms),
        "since": moment(cause.since_ms),
        "state": cause.state.value,
        "reason": cause.reason.code,
        "cause": {"agent": first.agent} if cause.by_agent else {"device": first.slug, "agent": first.agent},
        "count": len(cause.devices),
        "devices": [device_data(each) for each in cause.devices[:_MOST]],
    }
