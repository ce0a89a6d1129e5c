"""JSON as text for a column, to the byte what `json.dumps` writes, by an encoder that is made once."""

from __future__ import annotations

import json

# What is written is made here and holds no circle: looking for one at every step takes half of the time.
to_text = json.JSONEncoder(check_circular=False).encode
