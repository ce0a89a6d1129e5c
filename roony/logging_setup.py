"""Logs: structlog as text or JSON to stderr, with everything that looks like a secret taken out on the way (P6)."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from roony.core.text import visible

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
# What a one-time link or an OAuth redirect carries.
_QUERY_SECRET = re.compile(r"([?&](?:ticket|code|state|token|key)=)[^&\s\"']+")
# A CVC written into text, as in `cvc=123` or `"cvc": "123"`.
_CVC_IN_TEXT = re.compile(r"(?i)(\b(?:cvc2?|cvv2?)\b[\"']?\s*[:=]\s*[\"']?)\d{3,4}(?!\d)")
_DIGIT_GROUPS = re.compile(r"\d+(?:[ \-]\d+)*")
_DIGITS = re.compile(r"\d+")
_PAN_LENGTHS = range(13, 20)
# First digits of the card networks' ranges. 1 is left out: it begins every time in microseconds until 2033.
_PAN_BEGINS = frozenset("23456")


def configure_logging(log_format: str = "text", stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Sends all logs of this process, the libraries' too, to `stream` (stderr) as `text` or `json`."""
    if log_format not in FORMATS:
        raise ValueError(f"the log format must be text or json, it is {log_format!r}")
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # Before the redaction: a traceback quotes values.
        structlog.processors.format_exc_info,
    ]
    # JSON escapes what a terminal would act upon by itself.
    rendered: list[Any] = [structlog.processors.JSONRenderer()]
    if log_format == "text":
        rendered = [_visible_event, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact_event, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Each request of our own client would be a line, with its address and what that address carries; so each of MCP.
    for name in ("httpx2", "httpcore2", "alembic.runtime.migration", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: the event with every secret replaced, at any depth."""
    return {name: _redact_field(name, value) for name, value in event.items()}


def _visible_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: an address or an error with an escape sequence in it does nothing to who reads the log."""
    return {name: visible(value) if isinstance(value, str) else value for name, value in event.items()}


def redact(text: str) -> str:
    """`text` with card numbers, keys, tokens and CVCs replaced."""
    text = _TOKEN.sub(REDACTED, text)
    text = _QUERY_SECRET.sub(rf"\1{REDACTED}", text)
    text = _CVC_IN_TEXT.sub(rf"\1{REDACTED}", text)
    return _DIGIT_GROUPS.sub(_redact_groups, text)


def _redact_field(name: object, value: Any) -> Any:
    if value is not None and str(name).lower().replace("-", "_") in _SECRET_FIELDS:
        return REDACTED
    return _redact_value(value)


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return REDACTED if _is_card_number(str(value)) else value
    if isinstance(value, Mapping):
        return {name: _redact_field(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(inner) for inner in value]
    # Anything else is rendered by its repr, which nobody has looked through yet.
    return redact(repr(value))


def _redact_groups(match: re.Match[str]) -> str:
    """Replaces every stretch of whole digit groups that is a card number, and leaves the groups around it."""
    text = match.group()
    groups = list(_DIGITS.finditer(text))
    kept, begin, first = "", 0, 0
    while first < len(groups):
        last = _card_number_from(groups, first)
        if last is None:
            first += 1
            continue
        kept += text[begin : groups[first].start()] + REDACTED
        begin, first = groups[last].end(), last + 1
    return kept + text[begin:]


def _card_number_from(groups: list[re.Match[str]], first: int) -> int | None:
    """The last group of a card number that begins with group `first`, or None."""
    digits = ""
    for place in range(first, len(groups)):
        digits += groups[place].group()
        if len(digits) > _PAN_LENGTHS[-1]:
            return None
        if _is_card_number(digits):
            return place
    return None


def _is_card_number(digits: str) -> bool:
    """Length, first digit and check digit (Luhn) of a card number."""
    if len(digits) not in _PAN_LENGTHS or digits[0] not in _PAN_BEGINS:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
