"""Gateways for the tests of this folder: onto a scripted loopback server, and onto the simulator."""

from collections.abc import Iterator

import pytest

from roony.gateway.client import ConnectionAccess, StripeGateway
from tests.gateway.loopback import PATIENCE, LoopbackStripe

SECRET_KEY = "sk_test_loopback"


@pytest.fixture
def wire() -> Iterator[LoopbackStripe]:
    """A scripted Stripe on this machine."""
    with LoopbackStripe() as server:
        yield server


@pytest.fixture
def gateway(wire: LoopbackStripe) -> Iterator[StripeGateway]:
    """A gateway to the scripted Stripe, which waits for its answers however busy the machine is."""
    made = gateway_to(wire, PATIENCE)
    yield made
    made.close()


@pytest.fixture
def hasty_gateway(wire: LoopbackStripe) -> Iterator[StripeGateway]:
    """One that gives up at once, where no answer comes at all."""
    made = gateway_to(wire, 0.3)
    yield made
    made.close()


def gateway_to(wire: LoopbackStripe, read_timeout: float) -> StripeGateway:
    return StripeGateway(
        secret_key=SECRET_KEY,
        connect_client_id="ca_loopback",
        api_base=wire.url,
        connect_base=wire.url,
        connect_timeout=PATIENCE,
        read_timeout=read_timeout,
        pool_size=4,
    )


@pytest.fixture
def access() -> ConnectionAccess:
    """A connected account in test mode."""
    return ConnectionAccess(kind="connect", stripe_account="acct_1", livemode=False)
