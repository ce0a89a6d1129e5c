"""Walks through connecting an account as the owner's browser would: start link, Stripe's page, approve, back again."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx2

MAX_REDIRECTS = 6


class WalkFailed(Exception):
    """A step of the way did not lead on; the message names it."""


class Form(HTMLParser):
    """The first form of a page: where it goes and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects the form and its hidden inputs."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action = given.get("action", "")
        elif tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given.get("value", "")


async def connect_account(start_link: str, business_name: str) -> None:
    """Opens the start link, approves on the simulator's page and comes back with cookies, like one browser.

    Raises WalkFailed when a step is refused.
    """
    async with httpx2.AsyncClient(timeout=15, trust_env=False) as browser:
        page = await _follow(browser, await browser.get(start_link))
        _expect(page, "Stripe's page")
        form = Form()
        form.feed(page.text)
        if form.action is None:
            raise WalkFailed("Stripe's page has no form to approve on")
        fields = {**form.hidden, "account": "new", "business_name": business_name, "action": "approve"}
        answer = await browser.post(urljoin(str(page.url), form.action), data=fields)
        _expect(await _follow(browser, answer), "the way back from Stripe")


async def _follow(browser: httpx2.AsyncClient, response: httpx2.Response) -> httpx2.Response:
    for _ in range(MAX_REDIRECTS):
        if not response.is_redirect:
            return response
        response = await browser.get(urljoin(str(response.url), response.headers["location"]))
    raise WalkFailed(f"more than {MAX_REDIRECTS} redirects")


def _expect(response: httpx2.Response, step: str) -> None:
    if response.status_code != 200:
        raise WalkFailed(f"{step} answered {response.status_code}: {response.text[:300]}")
