"""Ports for servers of tests whose address must be known before they start."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def hold_ports(number: int) -> list[socket.socket]:
    """So many held ports in a row."""
    for _ in range(100):
        with ExitStack() as stack:
            held = [stack.enter_context(hold_port())]
            first = held[0].getsockname()[1]
            try:
                held += [stack.enter_context(hold_port(first + place)) for place in range(1, number)]
            except (OSError, OverflowError):
                continue
            stack.pop_all()
            return held
    raise AssertionError("no free ports in a row")


def hold_port(port: int = 0) -> socket.socket:
    """A socket that keeps a free port for its holder: nobody else is given it, and nothing listens there yet.

    Whoever binds it with SO_REUSEADDR, as Roony's servers do, may listen there meanwhile. Raises OSError when the
    `port` that is named is taken.
    """
    held = socket.socket()
    try:
        # The system gives nobody a port that somebody else holds; one that is named is taken only where nobody does.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port == 0))
        held.bind(("127.0.0.1", port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except BaseException:
        held.close()
        raise
    return held
