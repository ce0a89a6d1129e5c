"""Roony killed in the middle of renewing an app's tokens: afterwards the connection works or says what is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from roony.core.app_token import AppTokens
from tests.chaos.installing import install, let_the_hour_pass
from tests.chaos.scenes import connections
from tests.support.crashing import ADMIN, ASK, Crashable
from tests.support.postgres import empty_database
from tests.support.serving import Caller

# Where it dies, and whether the connection works afterwards: not while the refresh token may have been used.
POINTS = [
    ("before_commit:TakeRefresh", True),
    ("after_commit:TakeRefresh", False),
    ("before_call:refresh_app_tokens", False),
    ("after_call:refresh_app_tokens", False),
    ("before_commit:RecordPair", False),
    ("after_commit:RecordPair", True),
]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Iterator[Crashable]:
    """A company whose only account is connected by the app."""
    folder = tmp_path_factory.mktemp("company")
    if backend == "sqlite":
        with Crashable(folder) as made:
            made.open()
            yield made
        return
    with empty_database() as url, Crashable(folder, url) as made:
        made.open()
        yield made


def refreshes(company: Crashable) -> list[dict[str, Any]]:
    found = company.control("state")["oauth_exchanges"]
    return [one for one in found if one["grant_type"] == "refresh_token"]


def details(company: Crashable, agent: Caller, purchase_id: str) -> httpx2.Response:
    """One attempt to do something with the account: the agent wants the number of its card."""
    answer = agent.call("POST", f"{ASK}/{purchase_id}/card", {"purpose": "pay"})
    assert isinstance(answer, httpx2.Response)
    return answer


@pytest.mark.parametrize(("point", "works"), POINTS)
def test_killed_while_the_tokens_are_renewed(company: Crashable, point: str, works: bool) -> None:
    standing = [row for row in connections(company) if row["status"] in ("active", "restricted")]
    connection = install(company, standing[0]["stripe_account"] if standing else "new")
    agent = company.agent()
    bought = company.buy(agent)
    company.settle()
    before, crashes = len(refreshes(company)), company.crashes
    company.arm(point)
    let_the_hour_pass(company)

    with pytest.raises(httpx2.TransportError):
        details(company, agent, bought["id"])
    company.recover()
    assert company.crashes == crashes + 1
    answer = details(company, agent, bought["id"])

    found = company.get(f"connections/{connection['id']}")
    if works:
        assert (answer.status_code, found["status"]) == (200, "active"), answer.text
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stripe_not_authorized"), answer.text
        assert "connect the account again" in answer.json()["error"]["message"]
        assert found["restricted_reason"]["code"] == "reconnect_needed"
        alerts = company.get("alerts", status="open", limit=100)["data"]
        assert [one["subject"] for one in alerts if one["kind"] == "connection_restricted"] == [connection["id"]]
        # Nothing is canceled for it, and new money is refused.
        assert company.get(f"purchases/{bought['id']}")["status"] == "ready"
        preview = {"amount": 100, "currency": "usd", "description": "x", "merchant": {"name": "Figma"}}
        said = agent.call("POST", f"{ASK}/preview", preview).json()
        assert said["decision"]["reasons"][0]["code"] == "CONNECTION_INACTIVE"
    # However often it is tried: no refresh token came to Stripe twice.
    details(company, agent, bought["id"])
    seen = [one["presented"] for one in refreshes(company)[before:]]
    assert len(seen) == len(set(seen)) <= 1
    [tokens] = company.books.rows(AppTokens, connection_id=connection["id"])
    assert bool(tokens.lost) is not works

    # The owner connects again, and the card is still there.
    again = install(company, connection["stripe_account"])
    assert again["id"] == connection["id"]
    assert details(company, agent, bought["id"]).status_code == 200
    company.send(company.owner, "POST", f"{ADMIN}/purchases/{bought['id']}/cancel")
    company.settle()
