"""Drivers: a sans-I/O core each and a thin shell. The agent loads them, the controller never does."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from firmware_bridges.base import Bridge

BRIDGES = {
    "firmata": "firmware_bridges.firmata:FirmataBridge",
    "grbl": "firmware_bridges.grbl:GrblBridge",
    "host": "firmware_bridges.host:HostBridge",
    "line_protocol": "firmware_bridges.line_protocol:LineProtocolBridge",
    "marlin": "firmware_bridges.marlin:MarlinBridge",
    "micropython": "firmware_bridges.micropython:MicroPythonBridge",
    "moonraker": "firmware_bridges.moonraker:MoonrakerBridge",
    "mqtt_device": "firmware_bridges.mqtt_device:MqttDeviceBridge",
    "network": "firmware_bridges.network:NetworkBridge",
    "octoprint": "firmware_bridges.octoprint:OctoprintBridge",
    "pjlink": "firmware_bridges.pjlink:PjlinkBridge",
    "prusalink": "firmware_bridges.prusalink:PrusalinkBridge",
    "samsung_mdc": "firmware_bridges.samsung_mdc:SamsungMdcBridge",
    "snmp": "firmware_bridges.snmp:SnmpBridge",
    "simulated": "firmware_bridges.simulated:SimulatedBridge",
    "smart_plug": "firmware_bridges.smart_plug:SmartPlugBridge",
}
"""Bridge name -> module:class, loaded when first used. The class takes (endpoint, options)."""


def bridge_for(name: str, endpoint: str, options: Mapping[str, Any]) -> Bridge:
    """Make the bridge of that name, not yet opened. `options` is the profile's table with the device's own on top.

    Raises KeyError for an unknown name and ValueError for an endpoint or options it cannot use.
    """
    module, _, attribute = BRIDGES[name].partition(":")
    make = cast("Callable[[str, Mapping[str, Any]], Bridge]", getattr(import_module(module), attribute))
    return make(endpoint, options)
