"""Text for a column is, to the byte, what `json.dumps` writes: kept decisions are hashed as they lie there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.json_text import to_text
from roony.core.merchant import Merchant


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": [None, True, 2.5, 'Café \u2028 \ud83d\ude00 "quoted" \x07']},
        ["x", {"deep": {"er": []}}],
        "",
        {},
        ((1, "a"),),
    ],
)
def test_a_column_gets_what_json_dumps_writes(value: Any) -> None:
    assert to_text(value) == json.dumps(value)


def test_a_merchant_is_kept_with_what_is_known_of_it() -> None:
    merchant = Merchant("Figma", None, "5734", "US")
    assert merchant.known() == {"name": "Figma", "category": "5734", "country": "US"}
    assert merchant.to_json() == json.dumps(merchant.known())
    assert Merchant.from_json(merchant.to_json()) == merchant
