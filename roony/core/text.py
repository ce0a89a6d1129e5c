"""Text from outside that every database can hold.

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
    if b"\\u" not in body:
        return body
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)
