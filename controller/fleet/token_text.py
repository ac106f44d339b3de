"""How a token is told to people and machines: with the fingerprint of the authority that vouches for this server."""

from datetime import UTC, datetime

from controller.config import ControllerConfig
from controller.tls.authority import anchor
from controller.tls.store import TlsStore


def token_text(secret: str, config: ControllerConfig) -> str:
    """Without a fingerprint where there is no authority of our own: a given certificate is known to every system."""
    if not config.tls or config.tls_certificate is not None:
        return secret
    authority = TlsStore(config.folder).authority(datetime.now(UTC))
    return f"{secret}.{anchor(authority.certificate).fingerprint}"
