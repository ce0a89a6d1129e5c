"""The site of the pages: built without a warning, loads nothing from anywhere else, searches, and fits a phone."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]
MISSING = "the site needs MkDocs: make docs installs it"
# What is loaded with a page, without anybody asking for it.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
LOADING_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "dns-prefetch", "prefetch", "manifest"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    if importlib.util.find_spec("mkdocs") is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)], cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr, built.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Loads(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in LOADED:
            self.found.append(given.get(LOADED[tag], ""))
        elif tag == "link" and LOADING_LINKS & set(given.get("rel", "").split()):
            self.found.append(given.get("href", ""))
        self.found += re.findall(r"url\(([^)]*)\)", given.get("style", ""))


def is_foreign(address: str) -> bool:
    return re.match(r"['\"]?(https?:)?//", address.strip()) is not None


def test_no_page_names_another_host_for_what_it_loads(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    foreign = []
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.found, page
        foreign += [f"{page.name}: {address}" for address in loads.found if is_foreign(address)]
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        named = re.findall(r"url\(([^)]*)\)", text) + re.findall(r"@import\s+['\"]([^'\"]*)", text)
        foreign += [f"{sheet.name}: {address}" for address in named if is_foreign(address)]
    assert foreign == []


class Words(HTMLParser):
    """Collects what a page says outside of code."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""
        self._in_code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_code += tag in ("code", "pre", "script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._in_code -= tag in ("code", "pre", "script", "style")

    def handle_data(self, data: str) -> None:
        if not self._in_code:
            self.said += data


def test_no_page_shows_its_marks(site: Path) -> None:
    """A list without an empty line before it, or a block indented too little, shows the signs it was written with."""
    shown = []
    for page in sorted(site.rglob("*.html")):
        words = Words()
        words.feed(page.read_text(encoding="utf-8"))
        shown += [f"{page.name}: {line.strip()[:100]}" for line in re.findall(r".*(?:`|\*\*|\]\(|^\* ).*", words.said)]
    assert shown == []


def test_no_link_leads_out_of_the_site_to_a_file_that_is_not_there(site: Path) -> None:
    """What a code host has beside docs/ is laid into the site."""
    page = (site / "high-availability.html").read_text(encoding="utf-8")
    assert 'href="files/deploy/high-availability/patroni.yml"' in page
    assert (site / "files" / "deploy" / "high-availability" / "patroni.yml").is_file()
    assert (site / "contributing.html").is_file()


def only_from(page: Page, address: str) -> list[str]:
    """Lets nothing through to another host; returns what was tried."""
    tried: list[str] = []

    def judge(route: Any) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            tried.append(route.request.url)
            route.abort()

    page.route("**/*", judge)
    return tried


def test_it_searches_with_no_network(open_page: Callable[..., Page], address: str) -> None:
    page = open_page()
    tried = only_from(page, address)
    page.goto(f"{address}/index.html")
    page.get_by_placeholder("Search").click()
    page.get_by_placeholder("Search").press_sequentially("tolerance")
    found = page.locator(".md-search-result__link").first
    expect(found).to_be_visible()
    found.click()
    expect(page.locator("h1")).to_be_visible()
    assert tried == []


def test_it_searches_when_it_is_opened_from_its_folder(open_page: Callable[..., Page], site: Path) -> None:
    page = open_page()
    tried = only_from(page, "file://")
    page.goto(f"{site.as_uri()}/index.html")
    page.get_by_placeholder("Search").click()
    page.get_by_placeholder("Search").press_sequentially("tolerance")
    expect(page.locator(".md-search-result__link").first).to_be_visible()
    assert tried == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_light_or_dark_as_the_reader_likes(open_page: Callable[..., Page], address: str, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    tried = only_from(page, address)
    page.goto(f"{address}/concepts.html")
    wanted = {"light": "default", "dark": "slate"}[scheme]
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", wanted)
    # The toggle goes to the other one, and back.
    page.locator("label[title='Dark'], label[title='Light']").filter(visible=True).click()
    expect(page.locator("body")).not_to_have_attribute("data-md-color-scheme", wanted)
    assert tried == []


# Whether the theme names its search box and its buttons apart is the theme's; colours, links and pictures are ours.
OURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block", "image-alt", "heading-order"]}}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(open_page: Callable[..., Page], address: str, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    wrong = []
    for name in ("index", "quick-start", "concepts", "codes", "controls"):
        page.goto(f"{address}/{name}.html")
        found = Axe().run(page, options=OURS).response["violations"]
        wrong += [f"{name}: {one['id']} {node['html'][:100]}" for one in found for node in one["nodes"]]
    assert wrong == []


def test_every_page_fits_a_phone(open_page: Callable[..., Page], address: str, site: Path) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    tried = only_from(page, address)
    wide = []
    for file in sorted(site.glob("*.html")):
        page.goto(f"{address}/{file.name}")
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wide.append(file.name)
        broken = page.evaluate(
            "[...document.images].filter(i => i.complete && !i.naturalWidth && i.loading !== 'lazy').map(i => i.src)"
        )
        assert broken == [], file.name
    assert wide == []
    assert tried == []
