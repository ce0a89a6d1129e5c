"""An account connected by the Stripe App, from its installation to its end, over real HTTP."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from roony.core.app_token import AppTokens
from roony.store.rows import ConnectionSecret
from roony.store.vault import Vault, row_name
from tests.chaos.installing import install, let_the_hour_pass
from tests.chaos.scenes import connections, disconnect, standing
from tests.support.crashing import ADMIN, ASK, Crashable
from tests.support.postgres import empty_database
from tests.support.served import SOFTWARE, sdk
from tests.support.serving import Caller

PRICE = 5_000


@pytest.fixture
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


def as_app(company: Crashable) -> stripe.StripeClient:
    """The official client with the app's access token: the platform's key may not act for the account."""
    [row] = company.books.rows(ConnectionSecret, name="access_token")
    bound = row_name("connection_secrets", row.organization_id, row.connection_id, row.name)
    assert company.simulator is not None
    token = Vault.from_text(company.secret_keys).open(row.sealed, bound)
    return sdk(company.simulator.ready["url"], token, None)


def cards_at_stripe(company: Crashable) -> dict[str, str]:
    """The status of every card at Stripe."""
    return {one["id"]: one["status"] for one in company.control("state")["cards"]}


def bought_and_paid(company: Crashable, agent: Caller) -> dict[str, Any]:
    """A purchase from the ask to its settlement."""
    bought = company.buy(agent, PRICE)
    answer = agent.call("POST", f"{ASK}/{bought['id']}/card", {"purpose": "pay"})
    assert answer.status_code == 200, answer.text
    merchants = as_app(company).v1.test_helpers.issuing.authorizations
    made = merchants.create(
        {"card": bought["stripe_card"], "amount": PRICE, "merchant_data": {"name": bought["shop"], **SOFTWARE}}
    )
    assert made.approved, made.request_history
    merchants.capture(made.id)
    company.until_status(bought["id"], "settled")
    return bought


def generation(company: Crashable) -> int:
    [tokens] = company.books.rows(AppTokens)
    return int(tokens.generation)


def test_bought_paid_renewed_and_uninstalled(company: Crashable) -> None:
    agent = company.agent()
    connection = install(company)
    assert [one["name"] for one in connection["permissions"]] == ["issuing:read", "issuing:write", "charges:read"]
    bought_and_paid(company, agent)
    # An hour later, as Roony sees it: renewed before it is used.
    let_the_hour_pass(company)
    bought_and_paid(company, agent)
    assert generation(company) == 2
    # Stripe takes the token no longer, though its hour is not over: renewed, and asked again.
    company.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "unauthorized", "count": 1}])
    bought = company.buy(agent, PRICE)
    assert generation(company) == 3
    company.settle()
    company.check()
    assert standing(company, agent) == (PRICE, 2 * PRICE)
    refreshed = [one for one in company.control("state")["oauth_exchanges"] if one["grant_type"] == "refresh_token"]
    assert [one["result"] for one in refreshed] == ["tokens", "tokens"]
    # P6: no token in any log.
    log = (company.folder / "serve.log").read_text()
    for row in company.books.rows(ConnectionSecret):
        bound = row_name("connection_secrets", row.organization_id, row.connection_id, row.name)
        assert Vault.from_text(company.secret_keys).open(row.sealed, bound) not in log
    assert not re.search(r"(sk_test|rt)_[A-Za-z0-9]{40,}", log)

    # The owner uninstalls it at Stripe.
    company.control(f"accounts/{connection['stripe_account']}/disconnect", {})
    company.until(lambda: company.get(f"connections/{connection['id']}")["status"] == "revoked")
    company.settle()
    assert {row.sealed for row in company.books.rows(ConnectionSecret)} == {""}
    assert company.get(f"purchases/{bought['id']}")["status"] == "canceled"
    assert standing(company, agent) == (0, 2 * PRICE)


def test_disconnected_by_its_owner(company: Crashable) -> None:
    agent = company.agent()
    connection = install(company)
    bought = company.buy(agent, PRICE)

    disconnect(company, connection)

    # Canceled with the app's own token, which is erased after that.
    assert cards_at_stripe(company)[bought["stripe_card"]] == "canceled"
    assert {row.sealed for row in company.books.rows(ConnectionSecret)} == {""}
    open_alerts = {one["kind"] for one in company.get("alerts", status="open")["data"]}
    assert open_alerts >= {"connection_revoked", "app_to_uninstall"}
    # Stripe tells when it is uninstalled at last.
    company.control(f"accounts/{connection['stripe_account']}/disconnect", {})
    company.until(
        lambda: "app_to_uninstall" not in {one["kind"] for one in company.get("alerts", status="open")["data"]}
    )


def test_a_stop_waits_for_a_renewal(company: Crashable) -> None:
    """`systemctl restart` in the middle of it: the pair Stripe gives out is kept."""
    agent = company.agent()
    install(company)
    company.settle()
    let_the_hour_pass(company)
    company.control("faults", [{"endpoint": "POST /v1/oauth/token", "kind": "slow", "seconds": 2, "count": 1}])
    company.send(company.owner, "POST", f"{ADMIN}/reconciliations", {})

    def held() -> bool:
        [tokens] = company.books.rows(AppTokens)
        return tokens.holder is not None

    company.until(held)
    assert company.process is not None
    os.kill(company.process.pid, signal.SIGTERM)
    assert company.process.wait() == 0
    company.start()

    assert generation(company) == 2
    company.buy(agent, PRICE)
    assert [row["status"] for row in connections(company)] == ["active"]
