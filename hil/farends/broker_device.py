"""A broker of the lab (mosquitto), and devices on it that tell of themselves as ESPHome and Tasmota do."""

import getpass
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
_START_S = 20.0


class Broker:
    """mosquitto on a port of its own; killed and restarted it keeps the port and forgets what was retained."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self.port = _free_port()
        access = "allow_anonymous true\n"
        if password:
            secrets = folder / "passwords"
            subprocess.run([*_passwd(), "-b", "-c", str(secrets), "lab", password], check=True, capture_output=True)
            access = f"allow_anonymous false\npassword_file {secrets}\n"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1\n{access}", "utf-8")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_S
        while not _listens(self.port):
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Node:
    """A device of the broker. Its will says that it is gone; what it tells of itself is retained."""

    def __init__(self, broker: Broker, will: tuple[str, str], retained: Mapping[str, Any], commands: str) -> None:
        self._retained = {
            topic: each if isinstance(each, str) else json.dumps(each) for topic, each in retained.items()
        }
        self._commands = commands
        self.obeys = True
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.will_set(*will, qos=1, retain=True)
        self._client.on_connect = self._connected
        self._client.on_message = lambda _c, _d, message: self.told(message.topic, bytes(message.payload).decode())
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def say(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self._retained[topic] = text
        self._client.publish(topic, text, qos=1, retain=True).wait_for_publish(10)

    def told(self, topic: str, payload: str) -> None:
        """A command came."""

    def vanish(self) -> None:
        """Its socket breaks, as when its power is cut: the broker tells its will."""
        sock = self._client.socket()
        self._client.loop_stop()
        if sock is not None:
            sock.close()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: paho.Client, *_: object) -> None:
        client.subscribe(self._commands, 1)
        for topic, payload in self._retained.items():
            client.publish(topic, payload, qos=1, retain=True)


class EspHome(Node):
    """An air sensor with a lamp, as ESPHome's MQTT component tells of itself: short keys, one message a value."""

    def __init__(self, broker: Broker, name: str = "air-206") -> None:
        device = {"ids": "240ac4000001", "name": name, "sw": "esphome v2026.9.1", "mdl": "esp32dev", "mf": "Espressif"}

        def about(component: str, key: str, label: str, **more: object) -> dict[str, object]:
            return {
                "name": label, "stat_t": f"{name}/{component}/{key}/state", "avty_t": f"{name}/status",
                "uniq_id": f"ESP{component}{key}", "dev": device, **more,
            }  # fmt: skip

        measured = {"stat_cla": "measurement", "sug_dsp_prc": 0}
        prefix = "homeassistant"
        super().__init__(
            broker,
            (f"{name}/status", "offline"),
            {
                f"{prefix}/sensor/{name}/co2/config": about(
                    "sensor", "co2", "CO2", dev_cla="carbon_dioxide", unit_of_meas="ppm", **measured
                ),
                f"{prefix}/sensor/{name}/temperature/config": about(
                    "sensor", "temperature", "Temperature", dev_cla="temperature", unit_of_meas="°C", **measured
                ),
                f"{prefix}/sensor/{name}/humidity/config": about(
                    "sensor", "humidity", "Humidity", dev_cla="humidity", unit_of_meas="%", **measured
                ),
                f"{prefix}/switch/{name}/lamp/config": about(
                    "switch", "lamp", "Lamp", cmd_t=f"{name}/switch/lamp/command"
                ),
                f"{prefix}/binary_sensor/{name}/door/config": about("binary_sensor", "door", "Door", dev_cla="door"),
                f"{name}/status": "online",
                f"{name}/sensor/co2/state": "612",
                f"{name}/sensor/temperature/state": "26.4",
                f"{name}/sensor/humidity/state": "71",
                f"{name}/switch/lamp/state": "OFF",
                f"{name}/binary_sensor/door/state": "ON",
            },
            f"{name}/switch/+/command",
        )
        self.name = name

    def told(self, topic: str, payload: str) -> None:
        if self.obeys:
            self._client.publish(topic.replace("/command", "/state"), payload, qos=1, retain=True)


class Tasmota(Node):
    """A metering plug as Tasmota tells of itself: tasmota/discovery, a state and a sensor message."""

    def __init__(self, broker: Broker, name: str = "tasmota_0001") -> None:
        config = {
            "ip": "192.0.2.8", "dn": "Laser plug", "fn": ["Laser plug"], "hn": name, "mac": "AABBCC000001", "ty": 0,
            "ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"], "sw": "14.2.0", "t": name,
            "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"], "rl": [1, 0, 0, 0, 0, 0, 0, 0], "ver": 1,
        }  # fmt: skip
        energy = {"Total": 1.5, "Power": 61, "ApparentPower": 70, "Voltage": 231, "Current": 0.264}
        sensors = {"sn": {"Time": "2026-11-23T09:00:00", "ENERGY": energy}, "ver": 1}
        super().__init__(
            broker,
            (f"tele/{name}/LWT", "Offline"),
            {
                "tasmota/discovery/AABBCC000001/config": config,
                "tasmota/discovery/AABBCC000001/sensors": sensors,
                f"tele/{name}/LWT": "Online",
                f"tele/{name}/STATE": {"POWER": "ON", "Wifi": {"RSSI": 80}},
                f"tele/{name}/SENSOR": sensors["sn"],
            },
            f"cmnd/{name}/+",
        )
        self.name = name

    def told(self, topic: str, payload: str) -> None:
        if self.obeys and topic.endswith("/POWER"):
            self._client.publish(f"tele/{self.name}/STATE", json.dumps({"POWER": payload}), qos=1, retain=True)


def _passwd() -> list[str]:
    return [shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
