"""A name of words alone is read in fewer steps than one with signs; they come to the same."""

from __future__ import annotations

import pytest

from roony.core.merchant import normalise


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Figma", "figma"),
        ("The Figma Shop GmbH", "figma shop"),
        ("figma 0042", "figma"),
        ("figma  555 123   4567", "figma"),
        ("Figma Design Inc", "figma design"),
        ("shop 12345678 ca", "shop ca"),
        ("Card Maker 99999", "card maker 99999"),
    ],
)
def test_a_plain_name_is_read_like_one_with_signs(name: str, read: str) -> None:
    assert normalise(name) == normalise(f"{name},") == normalise(f" ;{name} ") == read


@pytest.mark.parametrize("name", ["555 123 4567", "0042", "gmbh"])
def test_a_name_of_nothing_else_stays(name: str) -> None:
    assert normalise(name) == name
