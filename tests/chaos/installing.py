"""Scenes of an account that is connected by installing the Stripe App, whose tokens are renewed and lost."""

from __future__ import annotations

from typing import Any

from roony.core.app_token import AppTokens
from tests.chaos.scenes import Arm, connections, disconnect, scene, standing, walk
from tests.support.crashing import ADMIN, Crashable

PRICE = 5_000


def install(company: Crashable, account: str = "new") -> dict[str, Any]:
    """The owner installs the app, with a new link whenever it did not go through; the active connection."""

    def active() -> list[dict[str, Any]]:
        return [row for row in connections(company) if (row["kind"], row["status"]) == ("stripe_app", "active")]

    def through() -> bool:
        if active():
            return True
        begun = company.send(company.owner, "POST", f"{ADMIN}/connections", {"kind": "stripe_app"})
        company.insist_on_nothing(lambda: walk(begun["url"], "approve", account))
        return bool(active())

    company.until(through)
    [found] = active()
    return found


def let_the_hour_pass(company: Crashable) -> None:
    """The access token is over, as far as Roony knows."""
    company.sql("UPDATE app_tokens SET expires_at = 1")


def until_ready(company: Crashable, purchase_id: str, account: str) -> None:
    """Waits for the card; the owner installs the app again when Roony says that it is needed, and not otherwise."""

    def look() -> bool:
        [row] = [row for row in connections(company) if row["stripe_account"] == account]
        if row["status"] == "restricted":
            assert row["status_reason"].startswith("reconnect_needed"), row
            install(company, account)
        company.let_time_pass()
        company.sql("UPDATE app_tokens SET retry_at = 0")
        return bool(company.get(f"purchases/{purchase_id}")["status"] == "ready")

    company.until(look)


@scene("connect", "exchange_app_code")
def the_app_is_installed_and_its_access_given_up(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    arm()
    connection = install(company)
    company.buy(agent)
    disconnect(company, connection)
    assert standing(company, agent) == (0, 0)
    [tokens] = company.books.rows(AppTokens, connection_id=connection["id"])
    assert tokens.expires_at == 0
    kinds = [one["kind"] for one in company.get("alerts", status="open", limit=100)["data"]]
    assert "app_to_uninstall" in kinds


@scene("connect", "TakeRefresh", "refresh_app_tokens", "RecordPair")
def the_tokens_of_the_app_are_renewed(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    connection = install(company)
    company.settle()
    let_the_hour_pass(company)
    arm()
    asked = company.ask(agent, PRICE)
    until_ready(company, asked["id"], connection["stripe_account"])
    assert standing(company, agent) == (PRICE, 0)
    refreshed = [one for one in company.control("state")["oauth_exchanges"] if one["grant_type"] == "refresh_token"]
    seen = [one["presented"] for one in refreshed]
    assert len(seen) == len(set(seen)), "a refresh token came to Stripe twice"
    disconnect(company, connection)


@scene("connect", "EndRefresh")
def stripe_turns_the_renewal_away_for_now(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    connection = install(company)
    company.settle()
    let_the_hour_pass(company)
    company.control("faults", [{"endpoint": "POST /v1/oauth/token", "kind": "rate_limit", "count": 1}])
    arm()
    asked = company.ask(agent, PRICE)
    until_ready(company, asked["id"], connection["stripe_account"])
    assert standing(company, agent) == (PRICE, 0)
    disconnect(company, connection)


@scene("connect", "RefuseTokens")
def stripe_takes_no_token_of_the_app(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    connection = install(company)
    company.settle()
    company.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "unauthorized"}])
    arm()
    asked = company.ask(agent, PRICE)
    company.until(lambda: company.get(f"connections/{connection['id']}")["status"] == "restricted")
    company.control("faults", [])
    until_ready(company, asked["id"], connection["stripe_account"])
    assert standing(company, agent) == (PRICE, 0)
    disconnect(company, connection)
