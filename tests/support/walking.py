"""Every page of the dashboard, found as a visitor finds it: from the menu on, link by link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2
from starlette.routing import Match, Route

from roony.web import dashboard
from roony.web.dashboard import view

# The overview, and where an organization begins.
BEGINNINGS = ("/", "/start")
# The most pages that are opened; there are far fewer.
MOST = 200
_FILTERS = re.compile(r'<form class="filters"[^>]*>(.*?)</form>', re.DOTALL)
_SELECT = re.compile(r'<select name="([^"]+)"[^>]*>(.*?)</select>', re.DOTALL)
_OPTION = re.compile(r'<option value="([^"]+)"')
_LINK = re.compile(r'<a [^>]*?href="([^"]+)"')
_PAGER = re.compile(r'<nav class="pager[^>]*>(.*?)</nav>', re.DOTALL)
_PAGE = re.compile(r'<a [^>]*?href="([^"]+)"[^>]*>(\w+) page</a>')


def page_routes() -> list[Route]:
    """The routes of all pages for people who are signed in, a new one among them as soon as it is there."""
    # They are made by `view.page`, which checks the session.
    return [route for route in dashboard.routes() if route.endpoint.__module__ == view.__name__]


def route_of(path: str) -> str | None:
    """The route that answers a path."""
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    return next((route.path for route in page_routes() if route.matches(scope)[0] is Match.FULL), None)


class Visit(NamedTuple):
    """What was seen on one walk: for each route an address that leads to it, and its HTML (empty for a file); and which
    links led nowhere, with the status of the answer."""

    addresses: dict[str, str]
    html: dict[str, str]
    broken: dict[str, int]


def filtered(link: str, html: str) -> Iterator[str]:
    """The addresses of a list by each value its filters offer, one filter at a time."""
    for form in _FILTERS.findall(html):
        for name, options in _SELECT.findall(form):
            for value in _OPTION.findall(options):
                yield f"{urlsplit(link).path}?{urlencode({unescape(name): unescape(value)})}"


def other_pages(html: str) -> dict[str, str]:
    """The addresses of a list's First, Previous and Next page, those that are offered."""
    return {name: unescape(link) for nav in _PAGER.findall(html) for link, name in _PAGE.findall(nav)}


def walk(browser: httpx2.Client) -> Visit:
    """Follows all links once; a page that names one thing is opened for the first one that is linked."""
    visit = Visit({}, {}, {})
    waiting, elsewhere = list(BEGINNINGS), set()
    while waiting:
        link = waiting.pop(0)
        path = urlsplit(link).path
        route = route_of(path)
        if path in elsewhere or route in visit.addresses:
            continue
        assert len(visit.addresses) + len(elsewhere) < MOST
        answer = browser.get(link)
        if answer.status_code != 200:
            visit.broken[link] = answer.status_code
        if route is None:
            elsewhere.add(path)
            continue
        is_page = answer.headers["content-type"].startswith("text/html")
        visit.addresses[route], visit.html[route] = link, answer.text if is_page else ""
        found = (urljoin(link, one.replace("&amp;", "&")) for one in _LINK.findall(visit.html[route]))
        waiting += [one for one in found if one.startswith("/")]
    return visit
