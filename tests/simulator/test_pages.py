"""Lists and their cursors, in every corner (facts 7.4)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.raw_http import call
from tests.support.simulator import SimulatorProcess, new_card, new_cardholder

CARDS = "/v1/issuing/cards"


def ids(page: Any) -> list[str]:
    """Return the ids on a page, in order."""
    return [one.id for one in page.data]


def error(simulator: SimulatorProcess, query: str) -> dict[str, Any]:
    """Return the error of a list of cards that must be refused with 400."""
    status, _, body = call(simulator, "GET", f"{CARDS}?{query}")
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    return dict(body["error"])


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", "", "[a]=1"])
def test_a_limit_lies_between_1_and_100(simulator: SimulatorProcess, limit: str) -> None:
    refused = error(simulator, f"limit={limit}" if not limit.startswith("[") else f"limit{limit}")
    wanted = "parameter_invalid_empty" if limit == "" else "parameter_invalid_integer"
    assert (refused["code"], refused["param"]) == (wanted, "limit")
    assert "{" not in refused["message"]


def test_ten_are_on_a_page_unless_said_otherwise(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    made = [new_card(client, holder).id for _ in range(11)]
    first = client.v1.issuing.cards.list()
    assert (ids(first), first.has_more, first.url) == (made[:0:-1], True, CARDS)
    exact = client.v1.issuing.cards.list({"limit": 11})
    assert (ids(exact), exact.has_more) == (made[::-1], False)


def test_only_one_cursor_at_a_time(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client).id
    refused = error(simulator, f"starting_after={card}&ending_before={card}")
    assert "ending_before, starting_after" in refused["message"]


@pytest.mark.parametrize("cursor", ["starting_after", "ending_before"])
def test_a_cursor_is_an_object_of_this_list_and_account(
    simulator: SimulatorProcess, client: stripe.StripeClient, cursor: str
) -> None:
    holder = new_cardholder(client).id
    foreign = new_card(simulator.client(simulator.connect())).id
    for unknown in ("ic_none", foreign, holder):
        refused = error(simulator, f"{cursor}={unknown}")
        assert (refused["code"], refused["param"]) == ("resource_missing", cursor)
        assert refused["message"] == f"No such issuing card: '{unknown}'"
    assert error(simulator, f"{cursor}=")["code"] == "parameter_invalid_empty"


def test_going_back_stays_newest_first_and_next_to_the_cursor(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    newest = [new_card(client, holder).id for _ in range(5)][::-1]
    cards: Any = client.v1.issuing.cards
    back = cards.list({"limit": 2, "ending_before": newest[4]})
    assert (ids(back), back.has_more) == (newest[2:4], True)
    rest = cards.list({"limit": 2, "ending_before": back.data[0].id})
    assert (ids(rest), rest.has_more) == (newest[:2], False)
    for nothing in ({"ending_before": newest[0]}, {"starting_after": newest[4]}):
        empty = cards.list(nothing)
        assert (ids(empty), empty.has_more) == ([], False)
    backwards = [card.id for card in cards.list({"limit": 2, "ending_before": newest[4]}).auto_paging_iter()]
    assert backwards == newest[3::-1]


def test_a_cursor_need_not_fit_the_filter(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    made = [new_card(client, holder, status=status).id for status in ("active", "inactive", "active", "inactive")]
    cards: Any = client.v1.issuing.cards
    after = cards.list({"status": "active", "starting_after": made[3]})
    assert (ids(after), after.has_more) == ([made[2], made[0]], False)
    before = cards.list({"status": "active", "ending_before": made[1], "limit": 1})
    assert (ids(before), before.has_more) == ([made[2]], False)
    one = cards.list({"status": "active", "limit": 1})
    assert (ids(one), one.has_more) == ([made[2]], True)


def test_what_is_made_and_deleted_does_not_disturb_the_pages(client: stripe.StripeClient) -> None:
    accounts = [client.v1.accounts.create({"type": "custom"}).id for _ in range(4)]
    first = client.v1.accounts.list({"limit": 2})
    client.v1.accounts.create({"type": "custom"})
    client.v1.accounts.delete(accounts[1])
    assert ids(first) == [accounts[3], accounts[2]]
    assert ids(client.v1.accounts.list({"starting_after": accounts[2]})) == [accounts[0]]


def test_the_parts_of_a_connected_account_are_paged_by_the_platform(client: stripe.StripeClient) -> None:
    account = client.v1.accounts.create({"type": "custom", "business_type": "company"}).id
    persons: Any = client.v1.accounts.persons
    made = [persons.create(account, {"first_name": name}).id for name in ("Ann", "Ben", "Cy")]
    assert ids(persons.list(account, {"limit": 1, "starting_after": made[2]})) == [made[1]]
    assert ids(persons.list(account, {"ending_before": made[0]})) == [made[2], made[1]]


def test_times_bound_a_list_from_both_sides(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    made = []
    for _ in range(3):
        made.append(new_card(client, holder))
        simulator.control("clock", {"advance": 100})
    cards, middle = client.v1.issuing.cards, made[1].created
    assert ids(cards.list({"created": {"gt": middle}})) == [made[2].id]
    assert ids(cards.list({"created": {"gte": middle, "lt": made[2].created}})) == [made[1].id]
    assert ids(cards.list({"created": {"lte": middle}})) == [made[1].id, made[0].id]
    assert ids(cards.list({"created": middle})) == [made[1].id]
    assert error(simulator, "created[after]=1")["param"] == "created[after]"
    assert error(simulator, "created[gt]=now")["code"] == "parameter_invalid_integer"


def test_lists_are_expanded_through_data(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    listed: Any = client.v1.issuing.cards.list({"expand": ["data.cardholder", "data.replaced_by"]})
    assert (listed.data[0].cardholder.id, listed.data[0].replaced_by) == (card.cardholder.id, None)
    assert "'data.cardholder'" in error(simulator, "expand[]=cardholder")["message"]
    assert error(simulator, "expand[]=data.colour")["param"] == "expand"
    assert error(simulator, "expand[1]=data.cardholder")["param"] == "expand"
    assert error(simulator, "expand=data.cardholder")["param"] == "expand"
