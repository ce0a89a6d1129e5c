"""Walks through lists: cursors, bounds, and never a part that reads as the whole."""

import itertools
from typing import Any

import pytest

from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.errors import StripeUncertain
from roony.gateway.issuing import (
    FIND_CARDS_CLOCK_MARGIN_SECONDS,
    FIND_CARDS_MAX_PAGES,
    find_cards,
    list_authorizations,
    list_cards,
    list_transactions,
)
from roony.gateway.paging import PageLimitReached
from tests.gateway.loopback import Answer, LoopbackStripe


def page(*ids: str, more: bool = False) -> Answer:
    """One page of a list."""
    return Answer({"object": "list", "has_more": more, "data": [{"id": one} for one in ids]})


def ids(items: Any) -> list[str]:
    """The ids of an iterable of objects."""
    return [item["id"] for item in items]


def test_a_walk_follows_the_cursor_to_the_end(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
) -> None:
    wire.script(page("ic_3", "ic_2", more=True), page("ic_1"))

    assert ids(list_cards(gateway, access, status="active")) == ["ic_3", "ic_2", "ic_1"]

    first, second = wire.received
    assert first.form == {"status": ["active"], "limit": ["100"]}
    assert second.form == {"status": ["active"], "limit": ["100"], "starting_after": ["ic_2"]}


def test_filters_arrive(wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
    wire.script(page())

    list(list_authorizations(gateway, access, card="ic_1", status="pending", created_gte=5))
    list(list_transactions(gateway, access, card="ic_1", created_gte=5, starting_after="ipi_9"))

    assert [received.path for received in wire.received] == [
        "/v1/issuing/authorizations",
        "/v1/issuing/transactions",
    ]
    assert wire.received[0].form == {
        "card": ["ic_1"],
        "status": ["pending"],
        "created[gte]": ["5"],
        "limit": ["100"],
    }
    assert wire.received[1].form["starting_after"] == ["ipi_9"]


def test_a_walk_cut_short_says_where_to_go_on(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
) -> None:
    wire.script(page("ic_4", "ic_3", more=True), page("ic_2", "ic_1", more=True))
    walk = list_cards(gateway, access, max_pages=2)

    seen = list(itertools.islice(walk, 4))
    with pytest.raises(PageLimitReached) as caught:
        next(walk)

    assert ids(seen) == ["ic_4", "ic_3", "ic_2", "ic_1"]
    assert (caught.value.last_id, caught.value.pages) == ("ic_1", 2)
    assert len(wire.received) == 2


def test_a_lookup_never_returns_a_part(wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
    """P2: "none found" permits another card."""
    wire.script(page("ic_1", more=True))

    with pytest.raises(PageLimitReached):
        find_cards(gateway, access, "ich_1", 1_000_000)

    assert len(wire.received) == FIND_CARDS_MAX_PAGES


def test_a_lookup_allows_for_clocks_that_differ(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
) -> None:
    wire.script(page("ic_1"))

    assert ids(find_cards(gateway, access, "ich_1", 1_000_000)) == ["ic_1"]

    assert wire.received[0].form["created[gte]"] == [str(1_000_000 - FIND_CARDS_CLOCK_MARGIN_SECONDS)]
    assert wire.received[0].form["cardholder"] == ["ich_1"]


@pytest.mark.parametrize("answer", [page(more=True), Answer({"object": "list", "has_more": False})])
def test_a_page_that_makes_no_sense_is_uncertain(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess, answer: Answer
) -> None:
    wire.script(answer)

    with pytest.raises(StripeUncertain):
        list(list_cards(gateway, access))

    assert len(wire.received) == 1


def test_no_pages_at_all_is_a_mistake(gateway: StripeGateway, access: ConnectionAccess) -> None:
    with pytest.raises(ValueError, match="max_pages"):
        list(list_cards(gateway, access, max_pages=0))
