"""The standard objects that many devices have, by MIB. Each OID with its name as the MIB has it. Pure.

A vendor's own objects stand in the profile, as options `single`, `table`.
"""

from collections.abc import Mapping
from typing import Final

from firmware_bridges.snmp_core import Ask, How

_PRINTER = "1.3.6.1.2.1.43"
_HOST = "1.3.6.1.2.1.25"
_POE = "1.3.6.1.2.1.105.1"
_IF = "1.3.6.1.2.1.2.2.1"
_IFX = "1.3.6.1.2.1.31.1.1.1"
_IF_NAMES = (f"{_IFX}.1", f"{_IF}.2")
"""ifName, and ifDescr for a device without ifXTable."""
_OCTETS_TO_MBIT = 8e-6

MIBS: Final[Mapping[str, tuple[Ask, ...]]] = {
    # SNMPv2-MIB (RFC 3418)
    "system": (
        Ask("description", "1.3.6.1.2.1.1.1.0", How.TEXT),  # sysDescr
        Ask("object-id", "1.3.6.1.2.1.1.2.0", How.TEXT),  # sysObjectID
        Ask("uptime", "1.3.6.1.2.1.1.3.0", How.WHOLE, factor=0.01),  # sysUpTime, hundredths of a second
        Ask("name", "1.3.6.1.2.1.1.5.0", How.TEXT),  # sysName
    ),
    # IF-MIB (RFC 2863), the counters of 64 bits where there are any: those of 32 bits begin anew every 34 s at 1 Gbit/s
    "interfaces": (
        Ask("port-*-up", f"{_IF}.8", How.TRUTH, labels=_IF_NAMES),  # ifOperStatus, up(1)
        Ask("port-*-errors-in", f"{_IF}.14", How.WHOLE, labels=_IF_NAMES),  # ifInErrors
        Ask("port-*-errors-out", f"{_IF}.20", How.WHOLE, labels=_IF_NAMES),  # ifOutErrors
        Ask("port-*-in", f"{_IFX}.6", How.RATE, factor=_OCTETS_TO_MBIT, labels=_IF_NAMES),  # ifHCInOctets
        Ask("port-*-in", f"{_IF}.10", How.RATE, factor=_OCTETS_TO_MBIT, labels=_IF_NAMES, instead=True),  # ifInOctets
        Ask("port-*-out", f"{_IFX}.10", How.RATE, factor=_OCTETS_TO_MBIT, labels=_IF_NAMES),  # ifHCOutOctets
        Ask("port-*-out", f"{_IF}.16", How.RATE, factor=_OCTETS_TO_MBIT, labels=_IF_NAMES, instead=True),  # ifOutOctets
        Ask("port-*-speed", f"{_IFX}.15", How.WHOLE, labels=_IF_NAMES),  # ifHighSpeed, Mbit/s
        Ask("port-*-speed", f"{_IF}.5", How.WHOLE, factor=1e-6, labels=_IF_NAMES, instead=True),  # ifSpeed, bit/s
    ),
    # POWER-ETHERNET-MIB (RFC 3621)
    "poe": (
        Ask(  # pethPsePortDetectionStatus
            "poe-*-state",
            f"{_POE}.1.1.6",
            How.CODE,
            codes={1: "disabled", 2: "searching", 3: "delivering", 4: "fault", 5: "test", 6: "other-fault"},
        ),
        Ask("poe-budget", f"{_POE}.3.1.1.2", How.SUM),  # pethMainPsePower, W
        Ask("poe-state", f"{_POE}.3.1.1.3", How.CODE, codes={1: "on", 2: "off", 3: "faulty"}),  # pethMainPseOperStatus
        Ask("poe-power", f"{_POE}.3.1.1.4", How.SUM),  # pethMainPseConsumptionPower, W
    ),
    # HOST-RESOURCES-MIB (RFC 2790)
    "host": (
        Ask("cpu", f"{_HOST}.3.3.1.2", How.MEAN),  # hrProcessorLoad, %
        Ask("storage-*-used", f"{_HOST}.2.3.1.6", How.PERCENT, of=f"{_HOST}.2.3.1.5", labels=(f"{_HOST}.2.3.1.3",)),
    ),
    # HOST-RESOURCES-MIB (RFC 2790) and Printer-MIB (RFC 3805)
    "printer": (
        Ask(  # hrPrinterStatus
            "state",
            f"{_HOST}.3.5.1.1",
            How.CODE,
            codes={1: "other", 2: "unknown", 3: "idle", 4: "printing", 5: "warming"},
        ),
        Ask("printing", f"{_HOST}.3.5.1.1", How.TRUTH, equals=4),
        Ask("no-paper", f"{_HOST}.3.5.1.2", How.BIT, equals=1),  # hrPrinterDetectedErrorState
        Ask("no-toner", f"{_HOST}.3.5.1.2", How.BIT, equals=3),
        Ask("door-open", f"{_HOST}.3.5.1.2", How.BIT, equals=4),
        Ask("jammed", f"{_HOST}.3.5.1.2", How.BIT, equals=5),
        Ask("pages", f"{_PRINTER}.10.2.1.4", How.SUM),  # prtMarkerLifeCount
        Ask(  # prtMarkerSuppliesLevel of prtMarkerSuppliesMaxCapacity, named by prtMarkerSuppliesDescription
            "supply-*", f"{_PRINTER}.11.1.1.9", How.PERCENT, of=f"{_PRINTER}.11.1.1.8", labels=(f"{_PRINTER}.11.1.1.6",)
        ),
    ),
}

TRAP_OID: Final = "1.3.6.1.6.3.1.1.4.1.0"
"""snmpTrapOID.0, which tells what a trap is (RFC 3418)."""
TRAPS: Final[Mapping[str, str]] = {
    "1.3.6.1.6.3.1.1.5.1": "cold-start",
    "1.3.6.1.6.3.1.1.5.2": "warm-start",
    "1.3.6.1.6.3.1.1.5.3": "link-down",
    "1.3.6.1.6.3.1.1.5.4": "link-up",
    "1.3.6.1.6.3.1.1.5.5": "authentication-failure",
}
"""The generic traps of RFC 3418 and RFC 2863; any other goes by its OID."""
