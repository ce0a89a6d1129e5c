"""Whoever sits in front of the dashboard: people with passwords, and companies of their own, made by the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx2
from playwright.sync_api import Locator, Page

from roony.web.session import COOKIE
from tests.support.served import Simulation, unique

PASSWORD = "correct horse battery staple"
# A page of the dashboard that is not all there yet, or whose form is under way and will load it again.
_UNREADY = "html:not([data-ready]):has(script[src='/static/dashboard.js'])"
_READY = "unready => document.readyState === 'complete' && !document.querySelector(unready)"


def wait_until_ready(page: Page) -> None:
    """Whatever is pressed or typed before is lost when the page is loaded again."""
    page.wait_for_function(_READY, arg=_UNREADY)


def watch(page: Page) -> None:
    """From now on each action in this window, and each `expect`, waits until the page is ready."""
    page.add_locator_handler(page.locator(_UNREADY), lambda: wait_until_ready(page), no_wait_after=True)


def look_again(page: Page) -> None:
    """Loads the page again, once what was pressed on it is done."""
    wait_until_ready(page)
    page.reload()


def connect_account(page: Page) -> None:
    """From a page that offers it through Stripe's own pages, which the simulator plays, to what Roony says of it."""
    page.get_by_role("button", name="Connect with Stripe").click()
    page.wait_for_url("**/oauth/authorize**")
    page.get_by_label("Name of the new business").fill("Acme Inc.")
    page.get_by_role("button", name="Connect").click()


def confirm(page: Page, button: Locator) -> None:
    """Presses a button and says Yes."""
    button.click()
    page.get_by_role("button", name="Yes", exact=True).click()


class Person(NamedTuple):
    """A user with a password."""

    id: str
    email: str


class Desk:
    """The demo organization's people; more companies are made through the first run."""

    def __init__(self, roony: Simulation) -> None:
        self.roony = roony
        self.url = roony.url.replace("127.0.0.1", "localhost")
        [row] = [
            user for user in roony.owner.get("/api/v1/admin/users")["data"] if user["email"] == "owner@example.com"
        ]
        self.owner = Person(row["id"], row["email"])
        self._choose_password(row["id"])

    def person(self, role: str, name: str = "") -> Person:
        """A new user of the demo organization who has chosen a password."""
        name = name or unique(role.capitalize())
        email = f"{unique('someone').replace(' ', '.')}@example.com".lower()
        body = {"name": name, "email": email, "role": role}
        made = self.roony.owner.send("POST", "/api/v1/admin/users", body, 201)
        self._choose_password(made["id"])
        return Person(made["id"], email)

    def invitation(self, user_id: str) -> str:
        """A link with which a user chooses a password."""
        return str(self.roony.owner.send("POST", f"/api/v1/admin/users/{user_id}/invitation", {}, 201)["url"])

    def first_run(self) -> str:
        """A link with which anybody makes an organization."""
        return str(self.roony.owner.send("POST", "/api/v1/admin/first_runs", {}, 201)["url"])

    def sign_in(self, page: Page, person: Person | None = None, path: str = "/") -> None:
        """Signs the window in without the form, which has a test of its own, and opens a page."""
        form = {"email": (person or self.owner).email, "password": PASSWORD, "next": path}
        answer = page.request.post(f"{self.url}/sign-in", form=form, max_redirects=0)
        assert answer.status == 303, answer.text()
        page.goto(f"{self.url}{path}")

    @contextmanager
    def visitor(self, person: Person | None = None) -> Iterator[httpx2.Client]:
        """A person's browser without any screen, signed in."""
        with httpx2.Client(base_url=self.url, trust_env=False, verify=False, timeout=30) as browser:
            form = {"email": (person or self.owner).email, "password": PASSWORD, "next": "/"}
            assert browser.post("/sign-in", data=form).status_code == 303
            yield browser

    def cookie_of(self, browser: httpx2.Client) -> Any:
        """The session's cookie, for a window."""
        return {"name": COOKIE, "value": browser.cookies[COOKIE], "url": self.url}

    def company(self, page: Page, name: str = "") -> str:
        """A new company whose owner is signed in in this window; returns the owner's e-mail address."""
        email = f"{unique('owner').replace(' ', '.')}@example.com".lower()
        code = parse_qs(urlsplit(self.first_run()).query)["code"][0]
        form: dict[str, Any] = {
            "code": code, "organization": name or unique("Company"), "name": "Olive Owner", "email": email,
            "password": PASSWORD, "currency": "usd", "time_zone": "UTC",
        }  # fmt: skip
        answer = page.request.post(f"{self.url}/first-run", form=form, max_redirects=0)
        assert answer.status == 303, answer.text()
        return email

    def _choose_password(self, user_id: str) -> None:
        ticket = parse_qs(urlsplit(self.invitation(user_id)).query)["ticket"][0]
        done = httpx2.post(
            f"{self.roony.url}/welcome",
            data={"ticket": ticket, "password": PASSWORD},
            trust_env=False,
            verify=False,
            timeout=60,
        )
        assert done.status_code == 303, done.text
