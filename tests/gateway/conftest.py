"""Gateways for the tests of this folder: onto a scripted loopback server, and onto the simulator."""

from collections.abc import Iterator

import pytest

from roony.gateway.client import ConnectionAccess, StripeGateway
from tests.gateway.loopback import LoopbackStripe

SECRET_KEY = "sk_test_loopback"


@pytest.fixture
def wire() -> Iterator[LoopbackStripe]:
    """A scripted Stripe on this machine."""
    with LoopbackStripe() as server:
        yield server


@pytest.fixture
def gateway(wire: LoopbackStripe) -> Iterator[StripeGateway]:
    """A gateway to the scripted Stripe, quick to give up."""
    made = StripeGateway(
        secret_key=SECRET_KEY,
        publishable_key="pk_test_loopback",
        connect_client_id="ca_loopback",
        api_base=wire.url,
        connect_base=wire.url,
        connect_timeout=1.0,
        read_timeout=0.3,
        pool_size=4,
    )
    yield made
    made.close()


@pytest.fixture
def access() -> ConnectionAccess:
    """A connected account in test mode."""
    return ConnectionAccess(kind="connect", stripe_account="acct_1", livemode=False)
