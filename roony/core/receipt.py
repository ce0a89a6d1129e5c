"""Receipts of purchases: what may be one, told by its first bytes, and that no card number is kept in one."""

from __future__ import annotations

import hashlib
import re
from itertools import islice
from typing import NamedTuple

from roony.core.errors import Refusal
from roony.core.hashing import derived_id

# Of one receipt, in bytes, and how many a purchase may have.
MAX_RECEIPT = 5 * 1024 * 1024
MAX_RECEIPTS = 10
# What is taken: the media type, how such a file begins, and how its name ends. A text has no such beginning.
_PDF, _PNG, _JPEG, _WEBP, TEXT = "application/pdf", "image/png", "image/jpeg", "image/webp", "text/plain"
ENDINGS = {_PDF: "pdf", _PNG: "png", _JPEG: "jpg", _WEBP: "webp", TEXT: "txt"}
_BEGINNINGS = {_PDF: b"%PDF-", _PNG: b"\x89PNG\r\n\x1a\n", _JPEG: b"\xff\xd8\xff", _WEBP: b"RIFF"}
# What the number of a card looks like: 13 to 19 digits, alone or grouped as on a card. Overlaps count, hence the look
# ahead. A text with more of them than this is not looked through: that would take too long.
_NUMBER = re.compile(
    r"(?<!\d)(?=(\d{13,19}(?!\d)|\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}(?!\d)|\d{4}[ -]\d{6}[ -]\d{4,5}(?!\d)))", re.ASCII
)
MOST_NUMBERS = 1_000


class Receipt(NamedTuple):
    """A receipt of a purchase, without its content. `size` in bytes, `sha256` of them in hex; microseconds UTC.

    `id` is derived from purchase and content, so that the same bytes again are the same receipt. `content_removed_at`
    is when retention removed its content, None while it is there.
    """

    organization_id: str
    id: str
    purchase_id: str
    agent_id: str
    media_type: str
    size: int
    sha256: str
    created_at: int
    content_removed_at: int | None = None


class ReceiptContent(NamedTuple):
    """The bytes of a receipt, apart from it, so that a list does not read them."""

    organization_id: str
    id: str
    content: bytes


def receipt_of(organization_id: str, purchase_id: str, agent_id: str, media_type: str, content: bytes) -> Receipt:
    """The row of this content; when it was kept is filled in then."""
    digest = hashlib.sha256(content).hexdigest()
    id = derived_id("rcp", purchase_id, digest)
    return Receipt(organization_id, id, purchase_id, agent_id, media_type, len(content), digest, 0)


def wrong_receipt(media_type: str, content: bytes) -> Refusal | None:
    """Why this cannot be kept as a receipt, or None. Only a text is searched for the number of a card."""
    if media_type not in ENDINGS:
        return Refusal("unsupported_media_type", "Send a PDF, PNG, JPEG, WebP or plain text.", 415)
    if not content:
        return _invalid("It is empty.")
    if len(content) > MAX_RECEIPT:
        return Refusal("too_large", f"A receipt has at most {MAX_RECEIPT} bytes.", 413)
    if media_type == TEXT:
        return _wrong_text(content)
    fits = content.startswith(_BEGINNINGS[media_type]) and (media_type != _WEBP or content[8:12] == b"WEBP")
    return None if fits else _invalid(f"It does not begin like {media_type}.")


def _wrong_text(content: bytes) -> Refusal | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _invalid("A text must be UTF-8.")
    if "\x00" in text:
        return _invalid("A text has no NUL.")
    numbers = [found[1] for found in islice(_NUMBER.finditer(text), MOST_NUMBERS + 1)]
    if len(numbers) > MOST_NUMBERS:
        return _invalid(f"There are more than {MOST_NUMBERS} long numbers in it.")
    if any(_passes(re.sub(r"[ -]", "", number)) for number in numbers):
        return Refusal("card_number", "There is the number of a card in it. Take it out.", 422, field="file")
    return None


def _passes(digits: str) -> bool:
    """The check digit after ISO/IEC 7812-1 (Luhn): every second digit from the right is doubled."""
    total = sum(int(digit) for digit in digits[-1::-2])
    total += sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0 and any(digit != "0" for digit in digits)


def _invalid(message: str) -> Refusal:
    return Refusal("invalid", message, 422, field="file")
