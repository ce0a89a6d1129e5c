"""The pictures of the dashboard, which `make screenshots` takes: every page is shown, and none is kept for nothing."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT
from tests.support.looking import picture_of
from tests.support.walking import page_routes

PICTURES = ROOT / "docs" / "screenshots"
# A page of one thing, or a list that would be empty, is shown as its tests find it in such a state.
STATES = {"/purchases/{id}": "refunded", "/alerts": "open", "/changes": "waiting"}
# Not a page but a file.
FILES = {"/audit/export"}


def test_every_page_is_shown_in_the_docs() -> None:
    shown = set(re.findall(r"screenshots/([\w-]+)\.png", (ROOT / "docs" / "dashboard.md").read_text()))
    readme = set(re.findall(r"docs/screenshots/([\w-]+)\.png", (ROOT / "README.md").read_text()))
    assert shown | readme == {file.stem for file in PICTURES.iterdir()}
    missing = [
        route.path
        for route in page_routes()
        if route.path not in FILES and shown.isdisjoint(_pictures(f"{route.path} {STATES.get(route.path, '')}"))
    ]
    assert missing == []


def _pictures(name: str) -> list[str]:
    return [f"{picture_of(name)}-{kind}" for kind in ("light", "dark", "phone")]
