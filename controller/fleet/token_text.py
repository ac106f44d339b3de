"""How a token is told to people and machines: with the fingerprint of the authority that vouches for this server."""

from controller.config import ControllerConfig
from controller.tls.store import TlsStore


def token_text(secret: str, config: ControllerConfig) -> str:
    """Without a fingerprint where there is no authority of our own: a given certificate is known to every system."""
    anchor = TlsStore(config.folder).anchor() if config.tls_certificate is None else None
    return f"{secret}.{anchor.fingerprint}" if anchor else secret
