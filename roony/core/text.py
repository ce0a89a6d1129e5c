"""Text from outside: what every database can hold of it, and what may be shown on a terminal.

JSON can write two things that are no text of PostgreSQL: the character NUL and half of a surrogate pair (SQLite holds
the one and not the other). A merchant may be named with either. What cannot be kept as it is must neither be dropped
nor spoil what is written beside it, so it is read as U+FFFD, "replacement character", on both databases.
"""

from __future__ import annotations

import re

# A pair, then any other escape: read from the left, so that an escaped backslash before a `u` is none of these.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def readable(body: bytes) -> bytes:
    """The same JSON without what no database holds; `body` itself, where there is nothing of the kind."""
    # One byte is sought ten times as fast as two, and hardly any event has this one.
    if b"\\" not in body or b"\\u" not in body:
        return body
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)


# What is acted upon or not shown: control characters but the line break, marks that turn the direction of text, letters
# without a shape. Joiners have a use between letters of some scripts and in emoji; next to anything else they hide.
_JOINED = "[\u0600-\u1fff\u2070-\U0010ffff]"
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u034f\ud800-\udfff\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
    f"|(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"
)


def visible(text: str) -> str:
    """The same text for a terminal or a page: what would be acted upon or hidden is written as JSON does, `\\u001b`.

    JSON stays the same JSON. Line breaks stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
