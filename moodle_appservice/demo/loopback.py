"""Ports on 127.0.0.1 that stay ours between finding them and listening on them.

The usual way (bind port 0, look, close) lets anybody take the port before its server starts. On Linux a socket that is
bound with SO_REUSEADDR but never listens keeps the port from others, while a server that also sets SO_REUSEADDR, as
Twisted, asyncio, Node and PostgreSQL do, may still listen on it. We keep one such socket per port for as long as this
process lives. Elsewhere the port is only found, and whoever starts a server must be ready to try another.
"""

from __future__ import annotations

import socket
import sys


def free_port() -> int:
    """A port on 127.0.0.1 on which nobody listens; on Linux nobody else gets it as long as we live."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        port = int(placeholder.getsockname()[1])
        if sys.platform == "linux":
            # Only after bind: a socket that is reusable before it could be given another placeholder's port.
            placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            placeholder.detach()
    return port
