"""What state a device is in, and why. Pure: values, presence and the time go in, a verdict and a memory come out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from contract.messages import BridgeState, Presence
from contract.model import Quality, Value, pattern_for
from device_profiles.profile import AlertRule, DeviceProfile, Level, Words

HEARTBEAT_S: Final = 300.0
"""Heartbeat of a metric whose profile is not known here."""
GRACE_S: Final = 15.0
"""Beyond two heartbeats a value may be this late: sending, committing, a slow poll."""


class DeviceState(StrEnum):
    """Most severe first."""

    FAULT = "fault"
    OFFLINE = "offline"
    WARNING = "warning"
    MAINTENANCE = "maintenance"
    PLANNED_OFF = "planned-off"
    IN_USE = "in-use"
    OK = "ok"

    @property
    def severity(self) -> int:
        """0 is the most severe."""
        return _SEVERITY[self]

    @property
    def exceptional(self) -> bool:
        """Whether somebody should look at it."""
        return self in (DeviceState.FAULT, DeviceState.OFFLINE, DeviceState.WARNING)


_SEVERITY = {state: place for place, state in enumerate(DeviceState)}
_STATE_OF = {Level.FAULT: DeviceState.FAULT, Level.WARNING: DeviceState.WARNING}


@dataclass(frozen=True, slots=True)
class Known:
    """The newest value of a metric: `at_ms` as its agent stamped it, `true_ms` by the controller's clock.

    `true_ms` is never later than the receipt.
    """

    at_ms: int
    value: Value | None
    true_ms: int


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of the way to a device, in the controller's time.

    `presence` is the agent's last word of itself, empty if never heard. `heard_ms` is when anything last came from
    the device, but never before we began to listen.
    """

    presence: str
    presence_since_ms: int
    bridge: str
    bridge_since_ms: int
    present: bool
    heard_ms: int
    detail: str = ""
    revoked: bool = False
    flooded_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a device is not simply fine. `code` is stable; `since_ms` is when it began, as far as is known."""

    code: str
    state: DeviceState
    label: Words
    since_ms: int
    metric: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A rule whose limit is passed: since when, and whether that has lasted long enough to be raised."""

    since_ms: int
    raised: bool


Memory: TypeAlias = Mapping[tuple[int, str], Pending]
"""(place of the rule in the profile, metric) -> where it stands. Handed back to the next judgement."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """State, reasons (most severe first), the memory for next time, and when to ask again if nothing comes."""

    state: DeviceState
    reasons: tuple[Reason, ...] = ()
    memory: Memory = field(default_factory=dict)
    due_ms: int | None = None


OF_THE_AGENT: Final = frozenset({"agent-flooding", "agent-revoked", "agent-unheard", "agent-offline"})
"""Codes of reasons that every device of an agent shares: one cause, however many devices."""

_UNHEARD: Final = Words("The agent has not been heard yet", "Agent chưa gửi tín hiệu lần nào")
_AGENT_GONE: Final = Words("No contact with the agent", "Mất kết nối với agent")
_REVOKED: Final = Words("The agent was revoked", "Agent đã bị thu hồi")
_FLOODING: Final = Words(
    "The agent sent far too much and was cut off", "Agent gửi quá nhiều dữ liệu nên đã bị ngắt kết nối"
)
_ABSENT: Final = Words("The agent no longer lists this device", "Agent không còn thấy thiết bị này")
_SILENT: Final = Words("Nothing heard for longer than expected", "Lâu hơn bình thường chưa có tín hiệu")
_LOST: Final = Words("The agent cannot reach the device", "Agent không liên lạc được với thiết bị")
_PARKED: Final = Words("The device keeps failing and is tried less often", "Thiết bị lỗi liên tục, tạm giãn số lần thử")
_STARTING: Final = Words("Not in contact with the device yet", "Chưa liên lạc được với thiết bị")
_BRIDGE: Final = {
    BridgeState.LOST: ("device-lost", _LOST),
    BridgeState.PARKED: ("device-parked", _PARKED),
    BridgeState.STARTING: ("device-starting", _STARTING),
}


def judge(
    profile: DeviceProfile | None,
    values: Mapping[str, Known],
    contact: Contact,
    now_ms: int,
    memory: Memory,
) -> Verdict:
    """The verdict at `now_ms`. Out of contact the rules rest and keep their memory: old values prove nothing."""
    deadline_ms = contact.heard_ms + silence_ms(profile)
    gone = _out_of_contact(contact, deadline_ms, now_ms)
    if gone is not None:
        return Verdict(gone.state, (gone,), memory)
    rules = profile.alerts if profile is not None else ()
    kept = dict(_step(rules, values, now_ms, memory))
    raised = [_reason(rules[place], metric, each) for (place, metric), each in kept.items() if each.raised]
    raised.sort(key=lambda reason: (reason.state.severity, reason.since_ms, reason.metric))
    waits = [each.since_ms + _for_ms(rules[place]) for (place, _), each in kept.items() if not each.raised]
    quiet = DeviceState.IN_USE if _in_use(profile, values) else DeviceState.OK
    return Verdict(raised[0].state if raised else quiet, tuple(raised), kept, min([deadline_ms, *waits]))


def quality(known: Known, heartbeat_s: float, now_ms: int, *, in_contact: bool) -> Quality:
    """How far a value can be trusted now."""
    if known.value is None:
        return Quality.BAD
    fresh = now_ms - known.true_ms <= _lateness_ms(heartbeat_s)
    return Quality.GOOD if in_contact and fresh else Quality.STALE


def heartbeat_s(profile: DeviceProfile | None, metric: str) -> float:
    """How often a value of `metric` comes at the least."""
    declared = profile.metric(metric) if profile is not None else None
    return HEARTBEAT_S if declared is None else declared.heartbeat_s


def silence_ms(profile: DeviceProfile | None) -> int:
    """After this long without a word a device counts as offline, whatever its agent's presence says."""
    beats = [each.metric.heartbeat_s for name, each in profile.metrics.items() if "*" not in name] if profile else []
    return _lateness_ms(min(beats, default=HEARTBEAT_S))


def _lateness_ms(heartbeat: float) -> int:
    return int((2 * heartbeat + GRACE_S) * 1000)


def _out_of_contact(contact: Contact, deadline_ms: int, now_ms: int) -> Reason | None:
    if contact.flooded_ms is not None:
        return Reason("agent-flooding", DeviceState.FAULT, _FLOODING, contact.flooded_ms)
    if contact.revoked:
        return _gone("agent-revoked", _REVOKED, contact.heard_ms)
    if not contact.presence:
        return _gone("agent-unheard", _UNHEARD, contact.heard_ms)
    if contact.presence != Presence.ONLINE:
        return _gone("agent-offline", _AGENT_GONE, contact.presence_since_ms)
    if not contact.present:
        return _gone("device-absent", _ABSENT, contact.heard_ms)
    if contact.bridge in _BRIDGE:
        code, words = _BRIDGE[BridgeState(contact.bridge)]
        return _gone(code, words, contact.bridge_since_ms, contact.detail)
    if now_ms >= deadline_ms:
        return _gone("silent", _SILENT, contact.heard_ms)
    return None


def _gone(code: str, words: Words, since_ms: int, detail: str = "") -> Reason:
    return Reason(code, DeviceState.OFFLINE, words, since_ms, detail=detail)


def _step(
    rules: Sequence[AlertRule], values: Mapping[str, Known], now_ms: int, memory: Memory
) -> Iterator[tuple[tuple[int, str], Pending]]:
    """Where every rule stands now. A rule that rests has no entry."""
    for place, rule in enumerate(rules):
        for metric, known in values.items():
            if pattern_for(metric, (rule.metric,)) is None:
                continue
            key = (place, metric)
            before = memory.get(key)
            if (
                known.value is None
            ):  # not known: it cannot clear what is raised, and nothing is raised by waiting for it
                after = before if before is not None and before.raised else None
            elif _beyond(rule, known.value):
                since_ms = before.since_ms if before else min(known.true_ms, now_ms)
                after = Pending(since_ms, (before is not None and before.raised) or now_ms - since_ms >= _for_ms(rule))
            else:
                after = before if before is not None and before.raised and not _cleared(rule, known.value) else None
            if after is not None:
                yield key, after


def _beyond(rule: AlertRule, value: Value) -> bool:
    if rule.equals is not None:
        return value == rule.equals and isinstance(value, bool) == isinstance(rule.equals, bool)
    if isinstance(value, str):
        return False
    return (rule.above is not None and value > rule.above) or (rule.below is not None and value < rule.below)


def _cleared(rule: AlertRule, value: Value) -> bool:
    """Whether a raised rule that is no longer beyond its limit is past its clearing point too."""
    if rule.clear is None or rule.equals is not None or isinstance(value, str):
        return True
    return value <= rule.clear if rule.above is not None else value >= rule.clear


def _for_ms(rule: AlertRule) -> int:
    return int(rule.for_s * 1000)


def _reason(rule: AlertRule, metric: str, pending: Pending) -> Reason:
    return Reason(f"rule-{rule.metric}", _STATE_OF[rule.level], rule.label, pending.since_ms, metric)


def _in_use(profile: DeviceProfile | None, values: Mapping[str, Known]) -> bool:
    if profile is None or not profile.in_use:
        return False
    known = values.get(profile.in_use)
    return known is not None and bool(known.value)
