"""What JSON can write and no database can hold is read as U+FFFD, what a terminal would act upon is spelled out."""

from __future__ import annotations

import json

import pytest

from roony.core.text import readable, visible

SAME = [
    "", "plain", "ünïcödé 😀", "back\\slash", "\\u0000 spelled out", "\\\\u0000", "\\ud800 spelled out", "\x01\x7f",
    '"quoted"', "\u2028", "\ufffd", "\U0010ffff", "\ue000\ud7ff", "\\", "\\\\",
]  # fmt: skip


@pytest.mark.parametrize("text", SAME)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_can_be_held_stays(text: str, ascii_only: bool) -> None:
    body = json.dumps({"name": text, text: 1}, ensure_ascii=ascii_only).encode()
    assert readable(body) == body


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a\u0000b", "a\ufffdb"),
        (r"\u0000\u0000", "\ufffd\ufffd"),
        (r"\\\u0000", "\\\ufffd"),
        (r"\ud800", "\ufffd"),
        (r"\uDFFFx", "\ufffdx"),
        (r"\ud83d\ude00\ud83d", "😀\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\ud83d\n\ude00", "\ufffd\n\ufffd"),
    ],
)
def test_what_cannot_be_held_is_replaced(written: str, read: str) -> None:
    body = f'{{"name": "{written}"}}'.encode()
    found = json.loads(readable(body))["name"]
    assert found == read
    found.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"), ("two\nlines", "two\nlines"), ("\u0160koda 日本 😀", "\u0160koda 日本 😀"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("\x1b[2J", r"\u001b[2J"), ("\x9b31m", r"\u009b31m"), ("a\x7f\r\t\x00", r"a\u007f\u000d\u0009\u0000"),
        ("\u202eenod", r"\u202eenod"), ("a\u200bb\u200f\ufeff", r"a\u200bb\u200f\ufeff"),
        ("Fig\u200dma", r"Fig\u200dma"), ("a\u2800\u3164", r"a\u2800\u3164"), ("x\u061c\u200e", r"x\u061c\u200e"),
        ("\u200d\u200c", r"\u200d\u200c"), ("a\xad\u034fb", r"a\u00ad\u034fb"),
        ("👨\u200d👩", "👨\u200d👩"), ("❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"), ("می\u200cخواهم", "می\u200cخواهم"),
        ("\U000e0061", r"\udb40\udc61"), ("half \ud800", r"half \ud800"),
    ],
)  # fmt: skip
def test_what_a_terminal_would_act_upon_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    written = json.dumps({text: [text]}, ensure_ascii=False)
    assert json.loads(visible(written)) == {text: [text]}
