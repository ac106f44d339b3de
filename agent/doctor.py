"""Looks whether an agent can do its work here, and says in plain words how to mend what it cannot."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent import doctor_network as network
from agent import doctor_ports as ports
from agent import doctor_state as kept
from agent.clock import Clock
from agent.config import AgentConfig, load_config
from agent.control import ask
from agent.crew import make_bridge
from agent.devices import DeviceConfig
from agent.doctor_frozen import frozen
from agent.errors import NoAnswer, NotRunning, WrongConfig
from agent.findings import Finding, Trouble, Verdict, good, same
from device_profiles.profile import Words
from firmware_bridges.base import BridgeError
from firmware_bridges.links import Endpoint, Scheme, parse_endpoint

_ON_LINUX = sys.platform == "linux"


def examine(config_file: Path, state: Path, clock: Clock) -> Iterator[Finding]:
    """Look at everything in turn; each finding is told as it is made. Nothing of a running agent is disturbed."""
    yield kept.folder(state)
    yield frozen(state)
    what = Words("configuration", "cấu hình")
    try:
        config = load_config(config_file, state)
    except WrongConfig as error:
        cure = Words("Correct the file at the key that is named.", "Sửa tệp tại khóa được nêu.")
        yield Trouble("configuration-wrong", same(str(error)), cure).of(what)
        return
    yield good("configuration", what, same(str(config_file)))
    yield kept.secret(state)
    yield kept.disk(config)
    try:
        running = ask(state, "status")
    except NotRunning:
        yield from _of_stopped(config, clock)
    except NoAnswer as error:
        yield _no_answer(error)
    else:
        yield from _of_running(config, running, clock)


def _of_stopped(config: AgentConfig, clock: Clock) -> Iterator[Finding]:
    """The agent's work is tried out: log in, open each device, ask it once."""
    yield Finding("agent-stopped", Verdict.DOUBTFUL, _AGENT, Words("does not run", "không chạy"), same(_START))
    yield kept.clock(certain=clock.certain, offset_ms=clock.offset_ms)
    yield network.broker(config)
    yield network.server(config.job_source)
    yield kept.leases(config, clock.true_ms())
    yield kept.outbox(config)
    place = _Place(config.state, None)
    yield from place.meddlers(config)
    for device in config.devices:
        yield _tried(device, place)


def _of_running(config: AgentConfig, running: Mapping[str, Any], clock: Clock) -> Iterator[Finding]:
    """The agent is asked; what it cannot reach is looked at from outside."""
    yield good("agent", _AGENT, Words(f"runs, {running['version']}", f"đang chạy, {running['version']}"))
    yield kept.clock(certain=running["clock"]["certain"], offset_ms=running["clock"]["offset_ms"])
    yield network.running_broker(config, online=running["uplink"]["online"], why=running["uplink"]["why"])
    yield network.server(config.job_source)
    yield kept.leases(config, clock.now_ms() + (running["clock"]["offset_ms"] or 0))
    yield kept.running_outbox(running["outbox"], config.limits.budget_bytes)
    place = _Place(config.state, running["process"])
    yield from place.meddlers(config)
    devices = {device.id: device for device in config.devices}
    for entry in running["devices"]:
        what = _device_words(entry["id"])
        seen = f"{entry['state']} {entry['detail']}".strip()
        if entry["state"] == "open":
            yield good("device", what, same(seen))
            continue
        device = devices.get(entry["id"])  # None: agent.toml was changed since the agent started
        trouble = (place.at_the_port(device) or place.on_the_way(device)) if device else None
        yield (trouble or _unanswered(seen, str(entry["identity"]))).of(what)


class _Place:
    """Where the devices are, as this computer sees it from outside."""

    def __init__(self, state: Path, agent_pid: int | None) -> None:
        self._account = ports.account_of(state, agent_pid) if _ON_LINUX else None
        self._ours = frozenset({os.getpid(), agent_pid or os.getpid()})

    def at_the_port(self, device: DeviceConfig) -> Trouble | None:
        """What keeps the agent from a serial port. The port is not opened: some boards restart when it is."""
        where = _endpoint(device)
        if where is None or where.scheme is not Scheme.SERIAL or self._account is None:
            return None
        return ports.trouble(Path(where.path), self._account, self._ours)

    def on_the_way(self, device: DeviceConfig) -> Trouble | None:
        """What is in the way to an address. To be asked when the device does not answer: some take one caller only."""
        where = _endpoint(device)
        if where is None or where.scheme not in (Scheme.TCP, Scheme.RFC2217):
            return None  # of a datagram nobody says whether it is heard
        return network.reach(where.host, where.port)

    def meddlers(self, config: AgentConfig) -> Iterator[Finding]:
        places = [_endpoint(device) for device in config.devices]
        if _ON_LINUX and any(where and where.scheme is Scheme.SERIAL for where in places):
            trouble = ports.meddler()
            if trouble:
                yield trouble.of(Words("other programs", "chương trình khác"))


def _endpoint(device: DeviceConfig) -> Endpoint | None:
    """None for what is no port and no address, and for an address without a port: its bridge knows which."""
    try:
        return parse_endpoint(device.endpoint)
    except ValueError:
        return None


def _tried(device: DeviceConfig, place: _Place) -> Finding:
    what = _device_words(device.id)
    trouble = place.at_the_port(device)
    if trouble:
        return trouble.of(what)
    try:
        bridge = make_bridge(device)
        try:
            bridge.open()
            values = bridge.poll()
        finally:
            bridge.close()
    except BridgeError as error:
        return (place.on_the_way(device) or _unanswered(str(error), device.endpoint)).of(what)
    count = sum(value is not None for value in values.values())
    return good("device", what, Words(f"{count} values", f"{count} giá trị"))


def _unanswered(problem: str, endpoint: str) -> Trouble:
    if "in use by another program" in problem or "exclusively lock" in problem:
        cure = Words(
            "Ask as root, who sees which program: sudo fabfleet-agent doctor",
            "Chạy với quyền root để biết chương trình nào: sudo fabfleet-agent doctor",
        )
        return Trouble("port-held", same(problem), cure)
    cure = Words(
        f"Look whether the device is on and its cable sits well; its endpoint is {endpoint or 'this computer'}.",
        f"Xem thiết bị đã bật và cáp đã cắm chặt chưa; địa chỉ của nó là {endpoint or 'máy tính này'}.",
    )
    return Trouble("device-silent", same(problem), cure)


def _no_answer(error: NoAnswer) -> Finding:
    cure = Words(
        "Restart it: sudo systemctl restart fabfleet-agent", "Khởi động lại: sudo systemctl restart fabfleet-agent"
    )
    return Trouble("agent-hangs", same(str(error)), cure).of(_AGENT)


def _device_words(device_id: str) -> Words:
    return Words(f"device {device_id}", f"thiết bị {device_id}")


_AGENT = Words("agent", "agent")
_START = "sudo systemctl start fabfleet-agent"
