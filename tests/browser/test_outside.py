"""Pages outside of the menu, which no walk comes to: before the sign-in, behind links, and of the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from roony.web import pages
from tests.support.desk import Desk, connect_account
from tests.support.looking import looks_right
from tests.support.served import unique

TEMPLATES = Path(pages.HERE, "templates")
# What every page inside is made of, and whole pages that others fill in.
_INSIDE = re.compile(r'extends "dashboard/page.html"')
_WHOLE = re.compile(r'extends "(dashboard/outside|approve/page|reveal/page).html"|^<!doctype html>')
FRAMES = {"dashboard/page.html", "dashboard/outside.html", "approve/page.html", "reveal/page.html"}
Opener = Callable[[Page, Desk], object]


def _at(path: str) -> Opener:
    return lambda page, desk: page.goto(desk.url + path)


def _wrong_password(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.url}/sign-in")
    page.get_by_label("E-mail address").fill(f"{unique('nobody').replace(' ', '.')}@example.com")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").first).to_be_visible()


def _without_its_script(page: Page, desk: Desk) -> None:
    """A form as a browser sends it whose page's script did not run."""
    page.goto(f"{desk.url}/sign-in")
    with page.expect_navigation():
        page.evaluate(
            "const form = document.forms[0]; form.action = '/account'; HTMLFormElement.prototype.submit.call(form)"
        )


def _connected(page: Page, desk: Desk) -> None:
    desk.company(page)
    page.goto(f"{desk.url}/connections")
    connect_account(page)
    expect(page.get_by_role("link", name="Go on in Roony")).to_be_visible()


def _approval(desk: Desk) -> str:
    buyer = desk.roony.buyer(controls={"approval_threshold": 5_000})
    asked = buyer.ask(9_900, unique("Figma"), metadata={"order": "1187"})
    return f"{desk.url}/approve/{asked['approval']['id']}"


def _look(page: Page, desk: Desk) -> None:
    page.goto(_approval(desk))
    _with_key(page, desk, "Show what is asked")


def _with_key(page: Page, desk: Desk, button: str) -> None:
    page.get_by_label("Your key").fill(desk.roony.ready["admin_key"])
    page.get_by_role("button", name=button, exact=True).click()


def _wrong_key(page: Page, desk: Desk) -> None:
    page.goto(_approval(desk))
    page.get_by_label("Your key").fill("hunter2")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()


def _wrong_amount(page: Page, desk: Desk) -> None:
    _look(page, desk)
    page.get_by_label("Amount").fill("12,50")
    _with_key(page, desk, "Approve")
    expect(page.get_by_role("alert")).to_be_visible()


def _decided(page: Page, desk: Desk) -> None:
    _look(page, desk)
    _with_key(page, desk, "Deny")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not approved")


def _too_late(page: Page, desk: Desk) -> None:
    _look(page, desk)
    address = page.url
    _with_key(page, desk, "Deny")
    page.goto(address)
    _with_key(page, desk, "Show what is asked")
    expect(page.locator(".over")).to_be_visible()


def _reveal_link(desk: Desk) -> str:
    buyer = desk.roony.buyer()
    purchase = buyer.ask(2_000, unique("Figma"))
    path = f"/api/v1/purchase_intents/{purchase['id']}/card"
    answer = buyer.api.send("POST", path, {"delivery": "reveal", "purpose": "to pay by hand"})
    return str(answer["url"]).replace("127.0.0.1", "localhost")


def _reveal_with_wrong_key(page: Page, desk: Desk) -> None:
    page.goto(_reveal_link(desk))
    page.get_by_label("Your admin key").fill("hunter2")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()


def _reveal_in_session(page: Page, desk: Desk) -> None:
    desk.sign_in(page)
    page.goto(_reveal_link(desk))


def _revealed(page: Page, desk: Desk) -> None:
    _reveal_in_session(page, desk)
    page.get_by_role("button", name="Show the card once").click()
    expect(page.locator("#hide")).to_be_visible()


def _hidden(page: Page, desk: Desk) -> None:
    _revealed(page, desk)
    page.get_by_role("button", name="Hide now").click()
    expect(page.locator("#gone")).to_be_visible()


# By template, and what is on it.
OPENERS: dict[tuple[str, str], Opener] = {
    ("docs.html", ""): _at("/docs"),
    ("dashboard/sign_in.html", ""): _at("/sign-in"),
    ("dashboard/sign_in.html", "wrong"): _wrong_password,
    ("dashboard/first_run.html", ""): lambda page, desk: page.goto(desk.first_run()),
    ("dashboard/first_run.html", "without a code"): _at("/first-run"),
    ("dashboard/welcome.html", ""): lambda page, desk: page.goto(desk.invitation(desk.person("viewer").id)),
    ("dashboard/outside_problem.html", ""): _at("/welcome?ticket=over"),
    ("dashboard/outside_problem.html", "nowhere"): _at("/nowhere"),
    ("dashboard/needs_script.html", ""): _without_its_script,
    ("connect/result.html", "failed"): _at("/connect/stripe?ticket=over"),
    ("connect/result.html", ""): _connected,
    ("approve/ask.html", ""): _at("/approve/apr_1"),
    ("approve/ask.html", "wrong"): _wrong_key,
    ("approve/decide.html", ""): _look,
    ("approve/decide.html", "wrong"): _wrong_amount,
    ("approve/decide.html", "over"): _too_late,
    ("approve/done.html", ""): _decided,
    ("reveal/ask.html", ""): lambda page, desk: page.goto(_reveal_link(desk)),
    ("reveal/ask.html", "wrong"): _reveal_with_wrong_key,
    ("reveal/ask.html", "signed in"): _reveal_in_session,
    ("reveal/card.html", ""): _revealed,
    ("reveal/card.html", "hidden"): _hidden,
    ("reveal/failed.html", ""): _at("/reveal?ticket=over"),
}


def test_none_is_missing() -> None:
    """Each page that is not of the dashboard's inside is looked at below."""
    texts = {str(file.relative_to(TEMPLATES)): file.read_text() for file in TEMPLATES.rglob("*.html")}
    whole = {name for name, text in texts.items() if _WHOLE.search(text)} - FRAMES
    assert whole == {template for template, _ in OPENERS}
    parts = {"asked.html", "macros.html", "scope_macros.html", "receiver_macros.html"}
    others = {name for name, text in texts.items() if not _INSIDE.search(text) and Path(name).name not in parts}
    assert {name for name in others if not name.endswith("_parts.html")} == whole | FRAMES


@pytest.mark.parametrize(("template", "state"), OPENERS, ids=[" ".join(one).strip() for one in OPENERS])
def test_it_is_there_for_everybody(open_page: Callable[..., Page], desk: Desk, template: str, state: str) -> None:
    page = open_page(reduced_motion="reduce")
    OPENERS[template, state](page, desk)
    looks_right(page, f"{template.removeprefix('dashboard/').removesuffix('.html')} {state}")
