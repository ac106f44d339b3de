"""SSDP as a control point speaks it: the search, and what is answered. Pure.

Source: UPnP Device Architecture 1.1, sections 1.3 (search) and 2.3 (device description).
"""

import re
from collections.abc import Mapping
from typing import Final

GROUP: Final = ("239.255.255.250", 1900)
SEARCH: Final = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 2\r\nST: ssdp:all\r\n\r\n'
)
_TAGS: Final = re.compile(r"<(friendlyName|manufacturer|modelName)>([^<]{1,200})</\1>")


def answer(datagram: bytes) -> Mapping[str, str] | None:
    """The header fields of an answer to a search, by lower-case name; None for anything else."""
    head = datagram.decode("utf-8", "replace").partition("\r\n\r\n")[0].split("\r\n")
    if not re.match(r"HTTP/1\.[01] 200\b", head[0]):
        return None
    parts = (line.partition(":") for line in head[1:40])
    return {name.strip().lower(): value.strip() for name, colon, value in parts if colon}


def device_type(fields: Mapping[str, str]) -> str:
    """`urn:schemas-upnp-org:device:Printer:1`; empty if this answer is about a service, or the device as such."""
    told = fields.get("st", "")
    return told if re.match(r"urn:[^:]+:device:", told) else ""


def title(description: str) -> str:
    """What a device calls itself in its description: maker, model and name, as far as it tells."""
    told = dict(reversed(_TAGS.findall(description)))
    return told.get("friendlyName") or " ".join(filter(None, map(told.get, ("manufacturer", "modelName"))))
