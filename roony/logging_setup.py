"""Logs: structlog as text or JSON to stderr, with everything that looks like a secret taken out on the way (P6)."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import structlog

from roony.core.card_data import CVC_IN_TEXT, card_numbers_in, is_card_number
from roony.log_ids import ids_now
from roony.log_lines import Lines, draw_json, draw_text, handed_over, show_visibly

REDACTED = "[redacted]"
FORMATS = ("text", "json")

# Fields whose value is secret whatever it looks like: three digits of a CVC match no pattern.
_SECRET_FIELDS = frozenset({
    "access_token", "api_key", "authorization", "cardnumber", "card_number", "client_secret", "cookie", "cvc", "cvc2",
    "cvv", "cvv2", "number", "pan", "password", "private_key", "refresh_token", "secret",
    "secret_key", "set_cookie", "stripe_signature", "ticket", "token", "webhook_secret",
})  # fmt: skip

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:roony_(?:agent|admin|session)_[\w-]+|(?:sk|rk|ek)_(?:test|live)_\w+|whsec_\w+|(?:ac|rt)_\w{16,})"
)
# What says who calls, and a password in the address of a database.
_CREDENTIALS = re.compile(r"(?i)\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}|(://[^\s:/@]*:)[^\s/@]+(?=@)")
# What a one-time link or an OAuth redirect carries.
_QUERY_SECRET = re.compile(r"([?&](?:ticket|code|state|token|key)=)[^&\s\"']+")
# As many digits in groups as the shortest card number has: of fewer nothing is to be taken out.
_DIGIT_GROUPS = re.compile(r"[0-9](?:[ \-]?[0-9]){12,}")
# A card number has at least so many digits.
_MIN_DIGITS = 13
_SHORTEST_CARD = 10 ** (_MIN_DIGITS - 1)
# What configure_logging puts on each line itself.
_OURS = frozenset({"logger", "level", "timestamp"})


def configure_logging(log_format: str = "text", stream: TextIO | None = None) -> None:
    """Sends all logs of this process, the libraries' too, to `stream` (stderr) as `text` or `json`."""
    if log_format not in FORMATS:
        raise ValueError(f"the log format must be text or json, it is {log_format!r}")
    stream = stream or sys.stderr
    shared: list[Any] = [
        _with_ids,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # Before the redaction: a traceback quotes values.
        structlog.processors.format_exc_info,
    ]
    drawn: list[Any] = [redact_event, draw_json if log_format == "json" else draw_text]
    if log_format == "text" and stream.isatty():
        drawn = [redact_event, show_visibly, structlog.dev.ConsoleRenderer(colors=True)]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *drawn],
        )
    )
    structlog.configure(
        processors=[*shared, handed_over],
        logger_factory=lambda *names: Lines(names[0] if names else "roony", handler, drawn),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Each request of our own client would be a line, with its address and what that address carries; so each of MCP.
    for name in ("httpx2", "httpcore2", "alembic.runtime.migration", "alembic.runtime.plugins", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: the event with every secret replaced, at any depth."""
    return {name: value if name in _OURS else _redact_field(name, value) for name, value in event.items()}


def _with_ids(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: what this piece of work is about; what the line says itself counts more."""
    for name, id in ids_now().items():
        event.setdefault(name, id)
    return event


def redact(text: str) -> str:
    """`text` with card numbers, keys, tokens and CVCs replaced.

    Every text of every log line comes here: each pattern is only tried where what it needs is there.
    """
    if "_" in text and ("k_" in text or "roony_" in text or "whsec_" in text or "ac_" in text or "rt_" in text):
        text = _TOKEN.sub(REDACTED, text)
    if "://" in text or len(text.split(None, 1)) > 1:
        text = _CREDENTIALS.sub(rf"\1\2{REDACTED}", text)
    if "=" in text:
        text = _QUERY_SECRET.sub(rf"\1{REDACTED}", text)
    if "=" in text or ":" in text:
        text = CVC_IN_TEXT.sub(rf"\1{REDACTED}", text)
    return _DIGIT_GROUPS.sub(_redact_groups, text) if len(text) >= _MIN_DIGITS else text


def _redact_field(name: object, value: Any) -> Any:
    if value is not None and _is_secret(name):
        return REDACTED
    return redact(value) if type(value) is str else _redact_value(value)


@lru_cache(maxsize=1_000)
def _is_secret(name: object) -> bool:
    return str(name).lower().replace("-", "_") in _SECRET_FIELDS


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return REDACTED if abs(value) >= _SHORTEST_CARD and is_card_number(str(value)) else value
    if isinstance(value, Mapping):
        return {name: _redact_field(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(inner) for inner in value]
    # Anything else is rendered by its repr, which nobody has looked through yet.
    return redact(repr(value))


def _redact_groups(match: re.Match[str]) -> str:
    """Replaces every stretch of whole digit groups that is a card number, and leaves the groups around it."""
    text, kept, begin = match.group(), "", 0
    for start, end in card_numbers_in(text):
        kept += text[begin:start] + REDACTED
        begin = end
    return kept + text[begin:]
