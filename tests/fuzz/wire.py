"""Whole HTTP requests as bytes over a connection that stays open, for what no client would send."""

from __future__ import annotations

import socket
from typing import NamedTuple, Self
from urllib.parse import urlsplit

SECONDS = 20.0


class Answered(NamedTuple):
    """Status, headers in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection to a served Roony; it is made anew where the server ended it with an answer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (str(parts.hostname), int(parts.port or 80))
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, request: bytes) -> Answered:
        """Sends it and reads one answer. Raises when there is none: a server that hangs or hangs up is a finding."""
        fresh = self._socket is None
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=SECONDS)
        try:
            self._socket.sendall(request)
            answer = self._read(self._socket)
        except (ConnectionError, EOFError):
            self.close()
            if fresh:
                raise
            # It was kept from before, and over by now.
            return self.ask(request)
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    def _read(self, connection: socket.socket) -> Answered:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
        length = headers.get("content-length")
        while length is not None and len(body) < int(length):
            body += self._more(connection)
        while length is None and not body.endswith(b"0\r\n\r\n"):
            body += self._more(connection)
        return Answered(int(line.split()[1]), headers, body)

    def _more(self, connection: socket.socket) -> bytes:
        part = connection.recv(65_536)
        if not part:
            raise EOFError("the server hung up without an answer")
        return part
