"""Where lines of our own are drawn and written: each call of the API is one, so they take no way round by `logging`.

Lines of libraries come by `logging` and are drawn alike. Both are written under one lock, each at once and whole.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, TextIO

from roony.core.text import visible

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Any]

# A text with one of these in it is quoted, so that nobody takes its words for fields of the line.
_QUOTED = re.compile("[ \t=\r\n\"']")
_encode = json.JSONEncoder(default=repr).encode


class Lines:
    """A structlog logger of this name. What cannot be drawn or written is told as `logging` does, and stops nobody."""

    __slots__ = ("_drawn", "_handler", "name")

    def __init__(self, name: str, handler: logging.StreamHandler[TextIO], drawn: Sequence[Processor]) -> None:
        """Writes what is `drawn` by these processors to the stream of `handler`, under its lock."""
        self.name = name
        self._handler = handler
        self._drawn = drawn

    def write(self, event: Event) -> None:
        """Writes one line."""
        handler = self._handler
        try:
            drawn: Any = event
            for process in self._drawn:
                drawn = process(self, "", drawn)
            line = f"{drawn}\n"
            with handler.lock:  # type: ignore[union-attr] # every handler has made one
                handler.stream.write(line)
                handler.stream.flush()
        except Exception:  # As `logging` has it: a full disk ends no request.
            handler.handleError(logging.makeLogRecord({"name": self.name, "msg": "This line was not written."}))

    # What structlog calls, by level.
    debug = info = warning = error = critical = write


def handed_over(_logger: Any, _method: str, event: Event) -> tuple[tuple[Event], dict[str, Any]]:
    """structlog processor, the last one: the event goes to its logger as it is."""
    return (event,), {}


def draw_json(_logger: Any, _method: str, event: Event) -> str:
    """structlog processor: a line as JSON, which escapes what a terminal would act upon by itself."""
    return _encode(event)


def draw_text(_logger: Any, _method: str, event: Event) -> str:
    """structlog processor: a line as text, as structlog's own `ConsoleRenderer` draws it without colours.

    That takes four times as long.
    """
    stack, traceback = event.pop("stack", None), event.pop("exception", None)
    began, level, what = event.pop("timestamp"), event.pop("level"), visible(str(event.pop("event", "")))
    line = f"{began} [{level:<9}] {what:<30} [{event.pop('logger')}]"
    for name in sorted(event):
        line += f" {name}={_shown(event[name])}"
    if stack is not None:
        line += f"\n{visible(stack)}"
        if traceback is not None:
            line += "\n\n" + "=" * 79 + "\n"
    return line if traceback is None else f"{line}\n{visible(traceback)}"


def show_visibly(_logger: Any, _method: str, event: Event) -> Event:
    """structlog processor: an address or an error with an escape sequence in it does nothing to who reads the log."""
    return {name: visible(value) if isinstance(value, str) else value for name, value in event.items()}


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value)
    value = visible(value)
    return repr(value) if _QUOTED.search(value) else value
