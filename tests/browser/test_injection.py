"""What agents and merchants write is only ever text: nothing of it runs or becomes a part of any page."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from tests.support.desk import Desk
from tests.support.filling import fill
from tests.support.walking import walk

# Short enough for every field; breaks out of text, of attributes in either quotes, and out of a script.
HOSTILE = """'"></title></script><img src=x onerror=ran=1><b class=evil onclick=ran=1>{{7*7}}"""
PIECES = ".evil, [onerror], [onclick], main img[src=x], script:not([src]), a[href^='javascript:' i], iframe, object"


def _hostile(text: str) -> str:
    return f"{text[:12]}{HOSTILE}"


def test_nothing_that_others_wrote_runs_on_any_page(open_page: Callable[..., Page], desk: Desk) -> None:
    texts = fill(desk.roony, _hostile)
    page = open_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with desk.visitor() as browser:
        visit = walk(browser)
        page.context.add_cookies([desk.cookie_of(browser)])
    seen = ""
    for route, address in visit.addresses.items():
        if not visit.html[route]:
            continue  # a file
        page.goto(desk.url + address)
        assert page.locator(PIECES).count() == 0, address
        assert page.evaluate("typeof ran") == "undefined", address
        seen += (page.locator("body").text_content() or "") + page.title()
    assert dialogs == []
    # All of it can be read somewhere as it was written, but for the receipt, which is a file to save.
    assert [name for name, text in texts.items() if text not in seen] == ["receipt"]
