"""TLS towards the broker. Loads `ssl`, which costs memory: import it only where TLS is wanted."""

import ssl

from agent.connection import SYSTEM


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails: paho forgets it then, once an attempt."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def context_for(authorities: str) -> ssl.SSLContext:
    """Believes who is vouched for by these authorities (a file, PEM, or SYSTEM), whose name fits and whose time is now.

    Raises OSError for a file that cannot be used.
    """
    context = ssl.create_default_context(cafile=None if authorities == SYSTEM else authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Socket
    return context
