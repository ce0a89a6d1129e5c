"""Events at the wire: filters, bounds, whose events."""

import pytest

from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.events import (
    TYPES_LIMIT,
    list_events,
    list_undelivered_events,
    list_webhook_endpoints,
)
from roony.gateway.paging import PageLimitReached
from tests.gateway.loopback import Answer, LoopbackStripe


def page(*ids: str, more: bool = False) -> Answer:
    """One page of events."""
    data = [{"id": one, "object": "event", "data": {"object": {"id": "iauth_1"}}} for one in ids]
    return Answer({"object": "list", "has_more": more, "data": data})


def test_undelivered_events_of_a_connected_account(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
) -> None:
    wire.script(page("evt_2", more=True), page("evt_1"))

    events = list(
        list_undelivered_events(gateway, access, since=1000, types=["issuing_card.updated", "account.updated"])
    )

    assert [event["id"] for event in events] == ["evt_2", "evt_1"]
    assert type(events[0]["data"]["object"]) is dict
    assert wire.received[0].headers["Stripe-Account"] == "acct_1"
    assert wire.received[0].form == {
        "created[gte]": ["1000"],
        "types[0]": ["issuing_card.updated"],
        "types[1]": ["account.updated"],
        "delivery_success": ["false"],
        "limit": ["100"],
    }
    assert wire.received[1].form["starting_after"] == ["evt_2"]


def test_all_events_name_no_delivery(wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
    wire.script(page())

    assert list(list_events(gateway, access, since=0)) == []

    assert wire.received[0].form == {"created[gte]": ["0"], "limit": ["100"]}


def test_a_listing_has_an_end(wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
    wire.script(page("evt_1", more=True))
    events = list_events(gateway, access, since=0, max_pages=1)

    assert next(events)["id"] == "evt_1"
    with pytest.raises(PageLimitReached) as caught:
        next(events)
    assert caught.value.last_id == "evt_1"


@pytest.mark.parametrize("types", [[], ["x"] * (TYPES_LIMIT + 1)])
def test_a_list_of_types_that_would_not_be_sent_is_refused(
    gateway: StripeGateway, access: ConnectionAccess, types: list[str]
) -> None:
    with pytest.raises(ValueError, match="event types"):
        list_events(gateway, access, since=0, types=types)


def test_webhook_endpoints(wire: LoopbackStripe, gateway: StripeGateway) -> None:
    body = {"id": "we_1", "object": "webhook_endpoint", "api_version": "2026-10-28.endive"}
    wire.script(Answer({"object": "list", "has_more": False, "data": [body]}))
    platform = ConnectionAccess(kind="direct", stripe_account=None, livemode=False)

    assert list_webhook_endpoints(gateway, platform) == [body]
