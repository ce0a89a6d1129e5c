"""A way to PostgreSQL that breaks off: it passes everything on, until somebody asks the server for one thing."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy.engine import make_url

PORT = 5432


class BreakingRelay:
    """In front of the server of `url`; `self.url` leads through it.

    Once a client sends `last_words`, every connection breaks off, and from then on nothing listens. Without such words
    nothing ever listened.
    """

    def __init__(self, url: str, last_words: bytes | None) -> None:
        parsed = make_url(url)
        folder = parsed.query.get("host")
        self._server = f"{folder}/.s.PGSQL.{PORT}" if folder else (parsed.host or "127.0.0.1", parsed.port or PORT)
        self._last_words = last_words
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.broken = last_words is None
        self._listener = socket.create_server(("127.0.0.1", 0))
        own = parsed.set(host="127.0.0.1", port=self._listener.getsockname()[1]).difference_update_query(["host"])
        # Words that are sealed cannot be read.
        self.url = own.update_query_dict({"sslmode": "disable"}).render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        if self.broken:
            self._listener.close()
        else:
            threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._break()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET)
                server.connect(self._server)
                with self._lock:
                    self._open += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, self._last_words), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, None), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, last_words: bytes | None) -> None:
        tail = b""
        with suppress(OSError):
            while said := source.recv(65_536):
                # Words may come in two pieces.
                tail = tail[-100:] + said
                if last_words is not None and last_words in tail:
                    self.broken = True
                    self._break()
                    return
                target.sendall(said)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _break(self) -> None:
        # First, so that nobody who lost a connection gets another one.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()
