"""Ports for servers of tests whose address must be known before they start."""

from __future__ import annotations

import socket


def hold_port() -> socket.socket:
    """A socket that keeps a free port for its holder: nobody else is given it, and nothing listens there yet.

    Whoever binds it with SO_REUSEADDR, as Roony's servers do, may listen there meanwhile.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
