"""What holds on every page: everybody can read it, in light and dark and on a phone; and pictures of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 900}
# What a page that is wide is enlarged to at 400 % (WCAG 2.2, 1.4.10).
NARROWEST = 320
# What nobody may be kept out by (axe-core's own words).
GRAVE = ("serious", "critical")
# Only what changes with the colours is looked at again in the dark.
COLOURS = {"runOnly": ["color-contrast"]}
_FIND = "options => axe.run(document, options).then(result => result.violations)"
# Opens what is closed, and says which had been, so that it is closed again.
_OPEN = "document.querySelectorAll('details:not([open])').forEach(one => { one.open = true; one.mark = true; })"
_CLOSE = "document.querySelectorAll('details').forEach(one => { if (one.mark) one.open = false; })"
_WIDTH = "document.documentElement.scrollWidth"
# A label names the first of two fields with one id: whoever hears the page, or presses the label, fills in that one.
_TWICE = "[...document.querySelectorAll('[id]')].map(one => one.id).filter((id, at, every) => every.indexOf(id) !== at)"


def grave(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds serious or worse, with where it is."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(_FIND, {"resultTypes": ["violations"], **options})
    return [
        f"{one['id']}: {node['html']} ({node['failureSummary']})"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def looks_right(page: Page, name: str) -> None:
    """Readable in light and dark with all that can be opened on it, nothing sideways on a phone, one heading.

    Where pictures are wanted, one of each is kept under this name, as the page is found. The window must move nothing
    by itself (`reduced_motion`): colours that are still on their way are none.
    """
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.evaluate("[...document.querySelectorAll('[tabindex]')].filter(one => one.tabIndex > 0).length") == 0
    twice = page.evaluate(_TWICE)
    assert twice == [], twice
    for scheme, options in (("light", {}), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        _keep(page, name, scheme)
        page.evaluate(_OPEN)
        assert grave(page, options) == []
        page.evaluate(_CLOSE)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    _keep(page, name, "phone")
    page.evaluate(_OPEN)
    # What scrolls by itself does so on a phone first.
    assert grave(page, {"runOnly": ["scrollable-region-focusable"]}) == []
    assert page.evaluate(_WIDTH) <= PHONE["width"]
    page.set_viewport_size({**PHONE, "width": NARROWEST})  # type: ignore[arg-type]
    assert page.evaluate(_WIDTH) <= NARROWEST
    page.evaluate(_CLOSE)


def _keep(page: Page, name: str, kind: str) -> None:
    """A picture, where somebody asked for pictures."""
    folder = os.environ.get("ROONY_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{picture_of(name)}-{kind}.png", full_page=kind == "phone")


def picture_of(name: str) -> str:
    """What a page's pictures are called, before their kind; `name` may be its route."""
    return re.sub(r"\W+", "-", re.sub(r"{[^}]+}", "one", name)).strip("-") or "overview"
