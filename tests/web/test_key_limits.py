"""What a key is limited to: time, addresses, calls a minute, scopes; and how it is rotated, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from roony.core.address import parse_networks
from roony.core.audit import AuditRecord
from roony.flows.access_key import new_key
from roony.flows.webhook_endpoint import PATH
from roony.store.rows import AccessKey
from roony.web.app import AppOptions, create_app
from roony.web.key_guard import WRONG_KEYS_PER_MINUTE, KeyGuard
from roony.web.permissions import PERMISSIONS
from tests.support.serving import Caller, Company, ServedRoony, Server
from tests.web.conftest import MONTH
from tests.web.test_keys import ASK, BODY

ADMIN = "/api/v1/admin"
MINUTE = 60_000_000


def key_for(roony: ServedRoony, company: Company, agent_id: str, **limits: Any) -> tuple[dict[str, Any], Caller]:
    """One more key of an agent, and its caller."""
    made = company.owner.send("POST", f"{ADMIN}/agents/{agent_id}/keys", limits, 201)
    return made, roony.caller(made["key"])


def test_a_key_ends_at_its_time(roony: ServedRoony, company: Company) -> None:
    agent, _ = company.agent()
    made, caller = key_for(roony, company, agent["id"], expires_in_seconds=60)
    roony.context.clock.advance(59)  # type: ignore[attr-defined]
    caller.get(ASK)
    roony.context.clock.advance(1)  # type: ignore[attr-defined]
    refused = caller.call("GET", ASK)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "key_expired")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert made["expires_at"] is not None


def test_a_key_is_used_from_its_addresses_only(roony: ServedRoony, company: Company) -> None:
    """The connection's own address counts: nobody was told to believe a header."""
    agent, _ = company.agent()
    here = ["192.0.2.0/24", "127.0.0.1"]
    made, caller = key_for(roony, company, agent["id"], allowed_addresses=here)
    assert made["allowed_addresses"] == ["192.0.2.0/24", "127.0.0.1/32"]
    caller.get(ASK, headers={"X-Forwarded-For": "198.51.100.1"})
    _, elsewhere = key_for(roony, company, agent["id"], allowed_addresses=["192.0.2.0/24", "2001:db8::/32"])
    for headers in ({}, {"X-Forwarded-For": "192.0.2.1"}):
        assert elsewhere.refused(403, "GET", ASK, headers=headers)["code"] == "address_not_allowed"
    # The same for a person.
    program = company.owner.send("POST", f"{ADMIN}/access_keys", {"allowed_addresses": ["192.0.2.0/24"]}, 201)
    assert roony.caller(program["key"]).refused(403, "GET", f"{ADMIN}/agents")["code"] == "address_not_allowed"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", [b"192.0.2.1", b"198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", [b"198.51.100.7, 192.0.2.1"], "192.0.2.1"),
        ("192.0.2.9", [b"198.51.100.7"], "192.0.2.9"),
    ],
)
def test_a_proxy_that_is_named_is_believed(peer: str, forwarded: list[bytes], address: str) -> None:
    guard = KeyGuard(parse_networks(["127.0.0.0/8"]))
    headers = [(b"x-forwarded-for", line) for line in forwarded]
    assert guard.address_of(Request({"type": "http", "client": (peer, 1), "headers": headers})) == address


def test_a_key_calls_so_often_and_no_more(roony: ServedRoony, company: Company) -> None:
    agent, other = company.agent()
    _, caller = key_for(roony, company, agent["id"], requests_per_minute=3)
    for _ in range(3):
        caller.get(ASK)
    refused = caller.call("POST", ASK, content=b"not even JSON")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "3 times a minute" in refused.json()["error"]["message"]
    other.get(ASK)


def test_one_place_may_try_so_many_unknown_keys(roony: ServedRoony, company: Company) -> None:
    """Above it nothing new is looked up for that place; what was known goes on, and so does every other place."""
    _, known = company.agent()
    known.get(ASK)
    _, new = company.agent()
    app = create_app(roony.context, AppOptions(trusted_proxies=parse_networks(["127.0.0.0/8"])))
    with Server(app) as server, httpx2.Client(base_url=server.url, trust_env=False, timeout=60, verify=False) as http:

        def ask(key: str | None, address: str, path: str = ASK) -> httpx2.Response:
            return http.get(path, headers={"Authorization": f"Bearer {key}", "X-Forwarded-For": address})

        assert ask(known.key, "192.0.2.1").status_code == 200
        guesses = [ask(new_key("agent", roony.context.new_id("key"), "x").text, "192.0.2.1").status_code
                   for _ in range(WRONG_KEYS_PER_MINUTE + 1)]  # fmt: skip
        assert guesses == [401] * WRONG_KEYS_PER_MINUTE + [429]
        refused = ask(new.key, "192.0.2.1")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        # Neither the admin API nor a page looks any further, and the door for Stripe has no such limit.
        assert ask("roony_admin_" + "0" * 48, "192.0.2.1", f"{ADMIN}/agents").status_code == 429
        forged = {"X-Forwarded-For": "192.0.2.1", "Stripe-Signature": "t=1,v1=00"}
        forgeries = {http.post(PATH, content=b"{}", headers=forged).status_code for _ in range(WRONG_KEYS_PER_MINUTE)}
        assert forgeries == {400}
        assert ask(known.key, "192.0.2.1").status_code == 200
        assert ask(new.key, "192.0.2.2").status_code == 200
        assert ask(new.key, "192.0.2.1").status_code == 200, "it was found from elsewhere meanwhile"


class TestScopes:
    """An agent's key may be made for less than all its agent may."""

    @pytest.mark.parametrize("scope", ["read", "purchase", "card"])
    def test_on_every_route(self, roony: ServedRoony, company: Company, scope: str) -> None:
        agent, _ = company.agent()
        _, caller = key_for(roony, company, agent["id"], scopes=[scope])
        routes = {key: needed for key, needed in PERMISSIONS.items() if not key[1].startswith(ADMIN)}
        assert set(routes.values()) == {"read", "purchase", "card"}
        for (method, path), needed in routes.items():
            # A stream would have no end: with this id it is refused, after the key.
            last = {"Last-Event-ID": "none"}
            answer = caller.call(method, path.replace("{id}", "id_1"), content=b"no json", headers=last)
            if needed == scope:
                assert answer.status_code not in (401, 403, 500), (method, path, answer.text)
            else:
                error = answer.json()["error"]
                assert (answer.status_code, error["code"]) == (403, "scope_missing"), (method, path)
                assert needed in error["message"]

    def test_a_key_without_card_sees_no_number(self, roony: ServedRoony, shop: Company, connected: ServedRoony) -> None:
        """Not in the answer that makes the purchase either, where the organization gives numbers out in clear."""
        agent, all_of_it = shop.agent(budgets=[MONTH])
        _, caller = key_for(connected, shop, agent["id"], scopes=["purchase", "read"])
        made = caller.send("POST", ASK, BODY, 201)
        assert made["status"] == "ready"
        assert "number" not in made["card"]
        assert caller.refused(403, "POST", f"{ASK}/{made['id']}/card")["code"] == "scope_missing"
        delivered = connected.books.rows(AuditRecord, action="card.delivered")
        assert delivered == []
        clear = all_of_it.send("POST", ASK, {**BODY, "amount": 101}, 201)
        assert clear["card"]["number"]


class TestRotation:
    """A new key in place of an old one, which goes on for a while."""

    def test_both_are_good_until_the_overlap_is_over(self, roony: ServedRoony, company: Company) -> None:
        agent, _ = company.agent()
        old, before = key_for(
            roony, company, agent["id"], name="bot", scopes=["read"], requests_per_minute=50,
            allowed_addresses=["127.0.0.1"],
        )  # fmt: skip
        path = f"{ADMIN}/agents/{agent['id']}/keys/{old['id']}/rotate"
        new = company.owner.send("POST", path, {"overlap_seconds": 300}, 201)
        after = roony.caller(new["key"])
        same = ("name", "scopes", "requests_per_minute", "allowed_addresses", "agent_id", "kind", "expires_at")
        assert {name: new[name] for name in same} == {name: old[name] for name in same}
        before.get(ASK)
        after.get(ASK)
        again = company.owner.refused(409, "POST", path, {})
        assert (again["code"], again["id"]) == ("already_rotated", new["id"])
        roony.context.clock.advance(300)  # type: ignore[attr-defined]
        assert before.refused(401, "GET", ASK)["code"] == "key_expired"
        after.get(ASK)
        [record] = roony.books.rows(AuditRecord, organization_id=company.id, action="access_key.rotated")
        body = json.loads(record.body)
        assert (body["before"]["expires_at"], body["new"]["id"]) == (None, new["id"])
        assert body["after"]["expires_at"] == roony.context.clock()
        assert new["key"] not in record.body

    def test_a_lifetime_begins_anew_and_an_end_is_never_put_off(self, roony: ServedRoony, company: Company) -> None:
        agent, _ = company.agent()
        old, caller = key_for(roony, company, agent["id"], expires_in_seconds=600)
        roony.context.clock.advance(500)  # type: ignore[attr-defined]
        path = f"{ADMIN}/agents/{agent['id']}/keys/{old['id']}/rotate"
        new = company.owner.send("POST", path, {"overlap_seconds": 3_600}, 201)
        rows = {row.id: row for row in roony.books.rows(AccessKey, agent_id=agent["id"])}
        now = roony.context.clock()
        assert rows[new["id"]].expires_at == now + 600_000_000
        assert rows[old["id"]].expires_at == now + 100_000_000
        roony.context.clock.advance(100)  # type: ignore[attr-defined]
        assert caller.refused(401, "GET", ASK)["code"] == "key_expired"
        made, _ = key_for(roony, company, agent["id"], expires_in_seconds=60)
        roony.context.clock.advance(60)  # type: ignore[attr-defined]
        over = company.owner.refused(409, "POST", f"{ADMIN}/agents/{agent['id']}/keys/{made['id']}/rotate")
        assert over["code"] == "key_over"

    def test_at_once(self, roony: ServedRoony, company: Company) -> None:
        """A key that got into wrong hands: without an overlap it is over with the answer. The owner's own, too."""
        [key] = [row for row in company.owner.get(f"{ADMIN}/access_keys?kind=admin")["data"] if row["name"] == "owner"]
        assert company.owner.refused(409, "DELETE", f"{ADMIN}/access_keys/{key['id']}")["code"] == "own_key"
        new = company.owner.send("POST", f"{ADMIN}/access_keys/{key['id']}/rotate", {"overlap_seconds": 0}, 201)
        assert company.owner.refused(401, "GET", f"{ADMIN}/agents")["code"] == "key_expired"
        owner = roony.caller(new["key"])
        assert {row["id"] for row in owner.get(f"{ADMIN}/access_keys")["data"]} == {key["id"], new["id"]}
        spare = owner.send("POST", f"{ADMIN}/access_keys", {"name": "spare"}, 201)
        assert owner.send("DELETE", f"{ADMIN}/access_keys/{spare['id']}")["revoked_at"]
        assert roony.caller(spare["key"]).refused(401, "GET", f"{ADMIN}/agents")["code"] == "key_revoked"

    def test_only_of_whom_the_path_names(self, roony: ServedRoony, company: Company) -> None:
        one, _ = company.agent("One")
        two, _ = company.agent("Two")
        stranger, _ = roony.company("Stranger").agent()
        for other in (two, stranger):
            for method, path in (("POST", "/rotate"), ("DELETE", "")):
                address = f"{ADMIN}/agents/{one['id']}/keys/{other['key_id']}{path}"
                assert company.owner.refused(404, method, address)["code"] == "not_found"
        for method, path in (("POST", "/rotate"), ("DELETE", "")):
            assert company.owner.refused(404, method, f"{ADMIN}/access_keys/{stranger['key_id']}{path}")


def test_the_last_use_is_kept_to_the_minute(roony: ServedRoony, company: Company) -> None:
    agent, caller = company.agent()

    def last_used() -> Any:
        caller.get(ASK)
        # What waits at the till before this is written with it.
        roony.books.till.write_and_wait(lambda _writer: None)
        return roony.books.row(AccessKey, id=agent["key_id"]).last_used_at

    assert roony.books.row(AccessKey, id=agent["key_id"]).last_used_at is None
    first = roony.context.clock()
    assert last_used() == first
    roony.context.clock.advance(59)  # type: ignore[attr-defined]
    assert last_used() == first
    roony.context.clock.advance(1)  # type: ignore[attr-defined]
    assert last_used() == first + MINUTE
    [shown] = company.owner.get(f"{ADMIN}/agents/{agent['id']}/keys")["data"]
    assert shown["last_used_at"] is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [("expires_in_seconds", 59), ("expires_in_seconds", 10**12), ("allowed_addresses", "127.0.0.1"),
     ("allowed_addresses", ["127.0.0.1/8"]), ("allowed_addresses", ["localhost"]),
     ("allowed_addresses", ["::1%a b"]), ("requests_per_minute", 0),
     ("requests_per_minute", 60_001), ("scopes", ["approve"]), ("scopes", "read"), ("role", "owner")],
)  # fmt: skip
def test_wrong_limits_are_refused_by_their_field(company: Company, field: str, value: Any) -> None:
    agent, _ = company.agent()
    error = company.owner.refused(422, "POST", f"{ADMIN}/agents/{agent['id']}/keys", {field: value})
    assert error["code"] == "invalid"
    assert error["field"].startswith(field)
    assert len(company.owner.get(f"{ADMIN}/agents/{agent['id']}/keys")["data"]) == 1


def test_an_admin_key_has_no_scopes(company: Company) -> None:
    """What it may do is the role of its user."""
    error = company.owner.refused(422, "POST", f"{ADMIN}/access_keys", {"scopes": ["read"]})
    assert error["field"] == "scopes"
