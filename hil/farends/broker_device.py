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

    def __init__(self, folder: Path, *, password: str = "", tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: certificate and key of a second listener, at `tls_port`."""
        self.port, self.tls_port = _free_port(), 0
        access = "allow_anonymous true\n"
        if password:
            secrets = folder / "passwords"
            subprocess.run([*_passwd(), "-b", "-c", str(secrets), "lab", password], check=True, capture_output=True)
            access = f"allow_anonymous false\npassword_file {secrets}\n"
        self._config = folder / "mosquitto.conf"
        listeners = f"listener {self.port} 127.0.0.1\n"
        if tls:
            self.tls_port = _free_port()
            listeners += f"listener {self.tls_port} 127.0.0.1\ncertfile {tls[0]}\nkeyfile {tls[1]}\n"
        self._config.write_text(f"user {getpass.getuser()}\n{listeners}{access}", "utf-8")
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
    """A device of the broker. Its will says that it is gone; what it tells of itself is retained.

    While it does not obey it is deaf: it hears nothing of what it is told.
    """

    def __init__(self, broker: Broker, will: tuple[str, str], retained: Mapping[str, Any], *commands: str) -> None:
        self._retained = {
            topic: each if isinstance(each, str) else json.dumps(each) for topic, each in retained.items()
        }
        self._commands = commands
        self.obeys = True
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.will_set(*will, qos=1, retain=True)
        self._client.on_connect = self._connected
        self._client.on_message = self._message
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def say(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self._retained[topic] = text
        self._client.publish(topic, text, qos=1, retain=True).wait_for_publish(10)

    def answer(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Say it to those who listen now."""
        self._client.publish(topic, payload if isinstance(payload, str) else json.dumps(payload))

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
        client.subscribe([(each, 1) for each in self._commands])
        for topic, payload in self._retained.items():
            client.publish(topic, payload, qos=1, retain=True)

    def _message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if self.obeys:
            self.told(message.topic, bytes(message.payload).decode())


class EspHome(Node):
    """An air sensor with a lamp, as ESPHome's MQTT component tells of itself: short keys, one message a value.

    A switch that is told what it already does says nothing; `esphome/ping/NAME` is answered at `esphome/discover/NAME`.
    """

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
            f"esphome/ping/{name}",
        )
        self.name = name

    def told(self, topic: str, payload: str) -> None:
        state = topic.replace("/command", "/state")
        if topic.startswith("esphome/"):
            about = {"name": self.name, "version": "2026.9.1", "mac": "240ac4000001"}
            self._client.publish(f"esphome/discover/{self.name}", json.dumps(about), qos=1, retain=True)
        elif payload in ("ON", "OFF") and self._retained[state] != payload:
            self._retained[state] = payload
            self._client.publish(state, payload, qos=1, retain=True)


class Tasmota(Node):
    """A metering plug as Tasmota tells of itself from the factory (SetOption19 0, SetOption59 0): it has the broker
    keep its discovery and that it is there, tells states every 300 s (here: with `report`), and answers on `stat`."""

    def __init__(self, broker: Broker, name: str = "tasmota_0001", *, mac: str = "AABBCC000001") -> None:
        config = {
            "ip": "192.0.2.8", "dn": "Laser plug", "fn": ["Laser plug"], "hn": name, "mac": mac, "ty": 0,
            "ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"], "sw": "14.2.0", "t": name,
            "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"], "rl": [1, 0, 0, 0, 0, 0, 0, 0], "ver": 1,
        }  # fmt: skip
        energy = {"Total": 1.5, "Power": 61, "ApparentPower": 70, "Voltage": 231, "Current": 0.264}
        self._measured = {"Time": "2026-11-23T09:00:00", "ENERGY": energy}
        self.power = "ON"
        super().__init__(
            broker,
            (f"tele/{name}/LWT", "Offline"),
            {
                f"tasmota/discovery/{mac}/config": config,
                f"tasmota/discovery/{mac}/sensors": {"sn": self._measured, "ver": 1},
                f"tele/{name}/LWT": "Online",
            },
            f"cmnd/{name}/+",
        )
        self.name = name

    def report(self) -> None:
        """What it tells every 300 s."""
        self.answer(f"tele/{self.name}/STATE", self._state())
        self.answer(f"tele/{self.name}/SENSOR", self._measured)

    def told(self, topic: str, payload: str) -> None:
        command, stat = topic.rsplit("/", 1)[1], f"stat/{self.name}"
        if command in ("POWER", "POWER1"):
            self.power = payload if payload in ("ON", "OFF") else self.power
            self.answer(f"{stat}/RESULT", {"POWER": self.power})
            self.answer(f"{stat}/POWER", self.power)
        elif command == "STATE":
            self.answer(f"{stat}/RESULT", self._state())
        elif command == "STATUS" and payload == "10":
            self.answer(f"{stat}/STATUS10", {"StatusSNS": self._measured})
        else:
            self.answer(f"{stat}/RESULT", {command.capitalize(): payload})

    def _state(self) -> dict[str, Any]:
        return {"Time": "2026-11-23T09:00:00", "POWER": self.power, "Wifi": {"RSSI": 80}}


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
