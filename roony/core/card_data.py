"""Card numbers, CVCs and keys in what others send: found by shape and check digit, and taken out before it is kept.

Stripe's events carry none of them. Merchants, cardholders, agents and whoever fills in metadata or writes a note write
what they like, and what Roony keeps must not make it a store of card data. Texts are starred as events are, so that a
merchant's name is the same in an ask and in what Stripe says of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import accumulate

_LENGTHS = range(13, 20)
# First digits of the card networks' ranges. 1 is left out: it begins every time in microseconds until 2033.
_BEGINS = frozenset("23456")
# In JSON the letters of a text stay as many as they were; a star is none of those that need an escape.
_STAR = b"*"

# A look before any search: an event with all digits alike, c and v alike, and no spaces and dashes shows at little cost
# whether 13 digits are in a row, or a name for a CVC is there.
_ALIKE = dict.fromkeys(b"0123456789", ord("0")) | dict.fromkeys(b"cv", ord("v")) | {code: code for code in b'":'}
_SHAPE = bytes(_ALIKE.get(code, ord("x")) for code in range(256))
_LONG, _CODE = b"0" * _LENGTHS[0], b'"vvv":'
_KEYS = (b"k_live_", b"k_test_", b"whsec_", b"roony_a", b"roony_s")

# An escape, whose own digits belong to nothing, or digits with spaces and dashes between them.
_RUN = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)|\d(?:[ -]?\d){12,}", re.DOTALL)
_STARS = bytes(ord(_STAR) if chr(code).isdigit() and code < 128 else code for code in range(256))
# What stands before a text: the name of its field, or that it is one of several, or itself a name.
_OPENING = re.compile(rb'(?:"(\w+)"\s*:|[\[{,])\s*"$')
_NAMED = re.compile(
    rb'("(?:card_)?number"\s*:\s*)(?:"\d(?:[ -]?\d){11,18}"|\d{12,19}(?![\d.eE]))'
    rb'|("cv[cv]"\s*:\s*)(?:"\d{3,4}"|\d{3,4}(?![\d.eE]))'
)
_KEY = re.compile(rb"(?<![A-Za-z0-9])(?:roony_(?:agent|admin|session)_|[sr]k_(?:live|test)_|whsec_)[\w-]+")
# How long a name and what is around it may be.
_BEFORE = 200

# The same in a text that is no JSON: the digits are those that bytes have, no others.
_RUN_OF_TEXT = re.compile(r"[0-9](?:[ -]?[0-9]){12,}")
_LONG_NUMBER = re.compile(r"[0-9](?:[ -]?[0-9]){11,18}")
_SHORT_NUMBER = re.compile(r"[0-9]{3,4}")
# A CVC written into text, as in `cvc=123`, `"cvc": "123"` or `CVV 123`.
CVC_IN_TEXT = re.compile(r"(?i)(\b(?:cvc2?|cvv2?)\b[\"']?(?:\s*[:=])?\s*[\"']?)([0-9]{3,4})(?![0-9])")


def is_card_number(digits: str) -> bool:
    """True for digits with the length, the first digit and the check digit (Luhn) of a card number."""
    if len(digits) not in _LENGTHS or digits[0] not in _BEGINS:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card_numbers_in(run: str) -> Iterator[tuple[int, int]]:
    """Where card numbers stand in digits with spaces and dashes between them: whole groups, and as many as can be.

    In a time that grows with the length alone: agents write such texts, and who authorizes waits behind them.
    """
    places = [place for place, letter in enumerate(run) if letter.isdigit()]
    digits = [int(run[place]) for place in places]
    starts = [at for at, place in enumerate(places) if at == 0 or places[at - 1] != place - 1]
    ends = {*starts[1:], len(digits)}
    doubled = [value * 2 - 9 if value > 4 else value * 2 for value in digits]
    # Sums up to each digit, with every second one doubled: those at even places, those at odd ones.
    sums = [
        [0, *accumulate(doubled[at] if at % 2 == odd else value for at, value in enumerate(digits))] for odd in (0, 1)
    ]
    free = 0
    for start in starts:
        if start < free or run[places[start]] not in _BEGINS:
            continue
        for end in range(start + _LENGTHS[-1], start + _LENGTHS[0] - 1, -1):
            if end in ends and (sums[end % 2][end] - sums[end % 2][start]) % 10 == 0:
                yield places[start], places[end - 1] + 1
                free = end
                break


def without_card_data(body: bytes) -> bytes:
    """The same JSON without card numbers in texts, and without values named for a number or a CVC.

    `body` itself, where there is nothing of the kind. Ids stay, though some have the digits of a card number: networks
    number merchants and payments so.
    """
    shape = body.translate(_SHAPE, b" -")
    if _CODE in shape or b'"number":' in body or b'"card_number":' in body:
        body = _NAMED.sub(lambda found: (found[1] or found[2]) + b"null", body)
    if _LONG in shape:
        body = _RUN.sub(_starrer(), body)
    return body


def without_keys(body: bytes) -> bytes:
    """The same without keys of Roony's or Stripe's, which somebody may have put into a description."""
    for key in _KEYS:
        if key in body:
            return _KEY.sub(lambda found: _STAR * len(found[0]), body)
    return body


def without_card_numbers(text: str) -> str:
    """A name or an address, starred as `without_card_data` stars it in an event."""
    return _RUN_OF_TEXT.sub(lambda run: _stars(run[0].encode()).decode(), text)


def without_secrets(text: str) -> str:
    """What somebody writes for others to read, without card numbers, CVCs and keys."""
    text = CVC_IN_TEXT.sub(lambda found: found[1] + "*" * len(found[2]), without_card_numbers(text))
    return without_keys(text.encode()).decode() if "_" in text else text


def named_without_secrets(texts: dict[str, str]) -> dict[str, str]:
    """Texts by name; where the name says what it is, a number or CVC is one whatever its check digit."""
    shapes = {"number": _LONG_NUMBER, "card_number": _LONG_NUMBER, "cvc": _SHORT_NUMBER, "cvv": _SHORT_NUMBER}
    return {
        without_secrets(name): "*" * len(text)
        if name in shapes and shapes[name].fullmatch(text)
        else without_secrets(text)
        for name, text in texts.items()
    }


def _starrer() -> Callable[[re.Match[bytes]], bytes]:
    """What to put in place of each `_RUN` of one body, from its beginning on.

    It looks back no further than to the run before: else a long text of many numbers and quotation marks would be gone
    through again for each of them, and who authorizes waits behind it.
    """
    # Up to where quotation marks were looked for; whether card numbers count behind the last one of them.
    looked, counts = 0, False

    def starred(run: re.Match[bytes]) -> bytes:
        """Some digits with spaces and dashes between them: stars for those that are a card number."""
        nonlocal looked, counts
        if run[0].startswith(b"\\"):
            return run[0]
        quote = _last_quote(run.string, looked, run.start())
        looked = run.start()
        if quote >= 0:
            opening = _OPENING.search(run.string, max(0, quote - _BEFORE), quote + 1)
            # Else it is a number, or the id of a merchant or payment.
            counts = opening is not None and not (opening[1] or b"").endswith(b"id")
        return _stars(run[0]) if counts else run[0]

    return starred


def _stars(run: bytes) -> bytes:
    found = bytearray(run)
    for start, end in card_numbers_in(run.decode("ascii")):
        found[start:end] = run[start:end].translate(_STARS)
    return bytes(found)


def _last_quote(body: bytes, begin: int, end: int) -> int:
    """Where the last quotation mark between these places stands that is none of a text; -1 where there is none."""
    at = body.rfind(b'"', begin, end)
    while at > 0 and body[at - 1 : at] == b"\\":
        at = body.rfind(b'"', begin, at)
    return at
