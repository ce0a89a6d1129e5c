"""JSON as text for a column, to the byte what `json.dumps` writes, by an encoder made once; and that of others read."""

from __future__ import annotations

import json
from typing import Any

# What is written is made here and holds no circle: looking for one at every step takes half of the time.
to_text = json.JSONEncoder(check_circular=False).encode


def read_once(text: str | bytes) -> Any:
    """JSON in which no object has a name twice: of two values readers take one or the other. Raises ValueError."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found
