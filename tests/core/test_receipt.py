"""What may be a receipt: told by its first bytes; no text with the number of a card."""

from __future__ import annotations

import pytest

from roony.core.receipt import MAX_RECEIPT, MOST_NUMBERS, receipt_of, wrong_receipt

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 "
GOOD = {
    "application/pdf": b"%PDF-1.7\n%", "image/png": PNG, "image/jpeg": b"\xff\xd8\xff\xe0\x00", "image/webp": WEBP,
    "text/plain": "Paid 49.00 €, invoice 4242 4242".encode(),
}  # fmt: skip


def code(media_type: str, content: bytes) -> str | None:
    wrong = wrong_receipt(media_type, content)
    return wrong.code if wrong else None


@pytest.mark.parametrize("media_type", GOOD)
def test_each_kind_is_taken_as_itself_and_as_no_other(media_type: str) -> None:
    """But that every text may be called one."""
    assert code(media_type, GOOD[media_type]) is None
    others = [other for other in GOOD if other not in (media_type, "text/plain")]
    assert {code(other, GOOD[media_type]) for other in others} == {"invalid"}


@pytest.mark.parametrize(
    ("media_type", "content", "expected"),
    [
        ("text/html", b"<p>", "unsupported_media_type"),
        ("image/svg+xml", b"<svg/>", "unsupported_media_type"),
        ("", b"x", "unsupported_media_type"),
        ("text/plain", b"", "invalid"),
        ("text/plain", b"\xff\xfe", "invalid"),
        ("text/plain", b"a\x00b", "invalid"),
        ("image/webp", b"RIFF\x10\x00\x00\x00WAVEfmt ", "invalid"),
        ("text/plain", b"x" * (MAX_RECEIPT + 1), "too_large"),
        ("text/plain", b"x" * MAX_RECEIPT, None),
    ],
)
def test_what_is_no_receipt_is_refused(media_type: str, content: bytes, expected: str | None) -> None:
    assert code(media_type, content) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Card 4242424242424242", True),
        ("Card 4242 4242 4242 4242 12/29", True),
        ("No. 7 4242-4242-4242-4242", True),
        ("Order 1234 4242 4242 4242 4242", True),
        ("AMEX 3782 822463 10005", True),
        ("Card 4242424242424241", False),
        ("•••• •••• •••• 4242", False),
        ("0000 0000 0000 0000", False),
        ("2026-11-28 14:30:12 4900", False),
        ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", False),
    ],
)
def test_the_number_of_a_card_is_found(text: str, found: bool) -> None:
    assert code("text/plain", text.encode()) == ("card_number" if found else None)


def test_too_many_numbers_are_not_looked_through() -> None:
    """As many as the limit are: the last one is found."""
    harmless = "4242424242424241\n"
    assert code("text/plain", (harmless * MOST_NUMBERS).encode()) is None
    assert code("text/plain", (harmless * (MOST_NUMBERS - 1) + "4242424242424242").encode()) == "card_number"
    assert code("text/plain", (harmless * (MOST_NUMBERS + 1)).encode()) == "invalid"


def test_the_same_bytes_are_the_same_receipt_of_one_purchase() -> None:
    one, again, other = (receipt_of("org_1", id, "agt_1", "image/png", PNG) for id in ("pur_1", "pur_1", "pur_2"))
    assert one == again
    assert (one.id != other.id, one.sha256 == other.sha256, one.size) == (True, True, len(PNG))
