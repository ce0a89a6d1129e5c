"""The dashboard in Chromium, and one `roony serve --simulate` for all of these tests in a process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.desk import Desk, watch
from tests.support.served import Simulation

# How long anything on a page may take: only a page that hangs is too slow, on the busiest machine.
PATIENCE_MS = 90_000
expect.set_options(timeout=PATIENCE_MS)

MISSING = (
    "no browser: these tests need Chromium. Debian: apt-get install chromium; elsewhere: playwright install chromium."
)


class Windows:
    """Windows that know nothing of each other, closed in the end; what their pages complain of is kept."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.pages: list[Page] = []
        self.complaints: list[str] = []

    def open(self, **settings: Any) -> Page:
        """One more, with any setting of Playwright's."""
        context = self._browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        self.pages.append(page)
        watch(page)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # What is refused on purpose is told by its status, not by the console.
        page.on("console", lambda said: self.complaints.append(said.text) if _is_complaint(said) else None)
        return page

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for page in self.pages:
            page.context.close()


def _is_complaint(said: Any) -> bool:
    return said.type in ("error", "warning") and "Failed to load resource: the server responded" not in said.text


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or else Playwright's own.

    It goes with the last test of this folder: while Playwright runs, its event loop is this thread's, and other tests
    run loops of their own.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).exists():
            if os.environ.get("CI"):
                pytest.fail(MISSING)
            pytest.skip(MISSING)
        # Everything runs as root in CI, where Chromium's own sandbox is not to be had; it sees our own pages only.
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE_MS
        )
        yield started
        started.close()


@pytest.fixture(scope="package")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """Shared by the tests of this folder: each that changes an organization makes one of its own (`Desk.company`).

    It goes with the last of them: what runs to the end of a worker is busy a hundredth of that time, waited for or not.
    """
    with Simulation(tmp_path_factory.mktemp("browser")) as served:
        yield served


@pytest.fixture(scope="package")
def desk(roony: Simulation) -> Desk:
    """Everything a test needs of the organization beside the browser."""
    return Desk(roony)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a window of its own, with any setting of Playwright's. What a page complains of in the console fails."""
    with Windows(browser) as windows:
        yield windows.open
    assert windows.complaints == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A window of somebody who is not signed in."""
    return open_page()


@pytest.fixture
def owner_page(open_page: Callable[..., Page], desk: Desk) -> Page:
    """A window of the demo's owner, signed in, on the overview."""
    opened = open_page()
    desk.sign_in(opened)
    return opened
