"""Descriptors and names, which merchants choose: read in time that grows no faster than they do, always the same."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.merchant import Merchant, alias_of, match, mentions, normalise, stands_alone
from tests.fuzz.conftest import Drive

# Of what the parser looks for, and anything else.
PIECES = st.sampled_from(
    ["FIGMA", "figma", "SQ *", "PAYPAL *", "TST* ", "GOOGLE *", "*", "**", "INC", "L.L.C.", "S.R.O.", "sp. z o.o.",
     " ", "  ", "#0042", "#", "866-579-7172", "+1 (866) 579 7172", "WWW.", ".COM", ".co.uk", "https://", "://", "/",
     "?", "@", "SAN FRANCISCO", "CA", "CASAN FRANCISCOCA", "MONTHLY", "JAN", "F1234", "AB12CD34", "00", "7", "'",
     "\u2019", "&", "+", "\u200b", "\u00ad", "\u0430", "\uff26", "\U0001d4d5", "\u0301", "\u202e", "\x00", "\ud800",
     "\u0130", "\ufb01", "|", ";", ",", ".", "-", "_", "a.b.", "A.", "\U000e0041", "\u3164", "\u2028"]
)  # fmt: skip
NAMES = st.lists(PIECES | st.text(max_size=6), max_size=12).map("".join)


def test_any_text_is_read(drive: Drive) -> None:
    """No text is too odd; a key is its own key, and a descriptor is always judged in the same way."""

    @given(NAMES, NAMES, st.lists(NAMES, max_size=3))
    def read(name: str, descriptor: str, noise: list[str]) -> None:
        key = normalise(name)
        assert normalise(key) == key
        found = match([name], descriptor, noise=noise)
        assert 0 <= found.score <= 100
        assert found == match([name], descriptor, noise=noise)
        assert alias_of(descriptor, noise=noise) == alias_of(descriptor, noise=noise)
        assert mentions(name, descriptor) in (True, False)
        assert stands_alone(descriptor) is ("*" not in descriptor) or not descriptor.isascii()
        merchant = Merchant(name, country="US")
        assert Merchant.from_json(merchant.to_json()) == merchant

    drive(read, 300)


def test_a_name_fits_itself_and_a_block_holds_however_it_is_dressed(drive: Drive) -> None:
    """What a person approved matches as it is written; what is blocked stays blocked with things around it."""
    dress = st.sampled_from(
        ["{}", "SQ *{}", "PAYPAL *{}", "{} INC", "{}  MONTHLY", "{} SAN FRANCISCO CA", "www {}", "{}*X"]
    )

    @given(NAMES, dress)
    def dressed(name: str, form: str) -> None:
        if not normalise(name):
            return
        assert match([name], name).matched
        assert mentions(name, name)

    drive(dressed, 400)

    @given(st.text("bcdfgh", min_size=3, max_size=10), dress)
    def blocked(word: str, form: str) -> None:
        name = f"zq{word}"
        assert mentions(name, form.format(name.upper()))
        assert not match([name], f"{name}x").matched
        assert not match([name], f"x{name}").matched

    drive(blocked, 200)


LONG = {
    "letters": "a", "digits": "1", "letter and digit": "a1", "stars": "*", "processors": "sq *", "dots": "a.",
    "hosts": "a.com/", "phones": "1-", "plus": "+1 ", "number signs": "#", "forms": "inc ", "spaces": " ",
    "references": "ab1_", "marks": "e\u0301", "look-alikes": "\u0430", "fullwidth": "\uff41",
    "places": "san francisco ", "initials": "s.r.o. ", "https": "https://", "states": "ca ",
}  # fmt: skip
# A descriptor has some 25 letters, an agent's name of a merchant at most 200: this is far beyond.
LENGTH = 20_000
CHILD = """
import sys
from roony.core.merchant import alias_of, match, mentions, normalise
text = (sys.argv[1] * int(sys.argv[2]))[:int(sys.argv[2])]
for descriptor in (text, "figma " + text, text + " figma"):
    normalise(descriptor), match(["figma", text], descriptor), mentions("figma", descriptor), alias_of(descriptor)
"""


def test_the_longest_one_there_can_be_is_looked_through_for_what_is_blocked() -> None:
    """In a time that grows with its length alone: all accounts' payments wait while it is."""
    blocked = "import sys; from roony.core.merchant import mentions; assert not mentions('Figma', 'x y ' * 100_000)"
    subprocess.run([sys.executable, "-c", blocked], check=True, timeout=30)


@pytest.mark.parametrize("kind", LONG)
def test_a_long_one_is_read_all_the_same(kind: str) -> None:
    """Nothing a merchant calls itself keeps a decision waiting: in a process of its own, with some seconds' time."""
    subprocess.run([sys.executable, "-c", CHILD, LONG[kind], str(LENGTH)], check=True, timeout=60)
