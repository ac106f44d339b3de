"""Import paho without what it only needs for web sockets, proxies and TLS: that is 7 MB of the agent's memory."""

import sys
import types
from typing import Any


def import_paho(*, tls: bool) -> Any:
    """The module paho.mqtt.client. Without `tls` it is given stand-ins for urllib.request and ssl, for it alone."""
    stand_ins = {} if tls else {name: make() for name, make in _STAND_INS.items() if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        import paho.mqtt.client

        return paho.mqtt.client
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _no_proxies() -> types.ModuleType:
    module = types.ModuleType("urllib.request")
    module.__dict__["proxy_bypass"] = lambda _host: True
    return module


def _no_tls() -> types.ModuleType:
    module = types.ModuleType("ssl")
    for name in ("SSLError", "SSLWantReadError", "SSLWantWriteError", "CertificateError"):
        module.__dict__[name] = type(name, (OSError,), {})
    return module


_STAND_INS = {"urllib.request": _no_proxies, "ssl": _no_tls}
