"""Bounded walks through Stripe's lists (stripe-facts.md section 7.4: newest first, 100 a page at most).

Reads at Stripe are a metered allowance (section 7.3) and no loop of ours is endless, so every walk names its
number of pages. A walk that ends there says so: a look-up cut short must never read as "not found".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from roony.gateway.client import PlainObject
from roony.gateway.errors import unreadable

PAGE_SIZE = 100


class PageLimitReached(Exception):
    """The list goes on past the pages allowed; all before was handed out. Next: `starting_after=last_id`."""

    def __init__(self, what: str, pages: int, last_id: str) -> None:
        super().__init__(f"{what}: more than {pages} pages of {PAGE_SIZE}, stopped after {last_id}")
        self.what = what
        self.pages = pages
        self.last_id = last_id


def walk(
    what: str,
    fetch: Callable[[dict[str, Any]], PlainObject],
    filters: dict[str, Any],
    *,
    max_pages: int,
    starting_after: str | None = None,
) -> Iterator[PlainObject]:
    """Yields the objects of at most `max_pages` pages, newest first; `fetch` gets the parameters of one page.

    Raises PageLimitReached after the last allowed object when there is more, and whatever `fetch` raises.
    Runs a blocking call whenever a page is used up, so iterate it inside a GatewayPool thread.
    """
    if max_pages < 1:
        raise ValueError("max_pages must be at least 1")
    # The SDK drops None; a filter that was not given is not sent.
    given = {name: value for name, value in filters.items() if value is not None}
    last_id = starting_after
    for _page in range(max_pages):
        cursor = {} if last_id is None else {"starting_after": last_id}
        answer = fetch({**given, **cursor, "limit": PAGE_SIZE})
        items = answer.get("data")
        if not isinstance(items, list):
            raise unreadable(f"{what}: a list answer without data")
        yield from items
        if not answer.get("has_more"):
            return
        if not items:
            # has_more without a row to start after would fetch the same page for ever.
            raise unreadable(f"{what}: an empty page that claims there is more")
        last_id = str(items[-1]["id"])
    raise PageLimitReached(what, max_pages, str(last_id))


def one_page(pages: Iterator[PlainObject]) -> tuple[list[PlainObject], str | None]:
    """The objects of a walk of one page, and where the next page starts; None on the last one. Blocks like the walk."""
    found: list[PlainObject] = []
    try:
        found.extend(pages)
    except PageLimitReached as more:
        return found, more.last_id
    return found, None


def created_since(seconds: int | None, until: int | None = None) -> dict[str, int] | None:
    """The `created` filter for objects made from `seconds` to `until` (Unix time), None for no filter."""
    bounds = {"gte": seconds, "lte": until}
    return {name: bound for name, bound in bounds.items() if bound is not None} or None
