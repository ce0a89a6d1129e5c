"""Head and body of an answer leave in one call of the system: uvicorn makes two, and each wakes whoever reads."""

from __future__ import annotations

import asyncio
from typing import Any


class Together:
    """A transport that keeps the head of an answer until its body comes, or until this turn of the loop is over."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Around a connection's own, on its event loop."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Sends `data`, after a head that was kept."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._loop.call_soon(self._send_head)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Sends what was kept, then closes."""
        self._send_head()
        self._transport.close()

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)
