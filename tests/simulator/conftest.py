"""Fixtures of the simulator's tests: one process with one receiver for each test module, reset between tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe

from tests.support.simulator import Receiver, SimulatorProcess


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[SimulatorProcess, Receiver]]:
    """A simulator that asks and tells a receiver of its own."""
    with Receiver() as receiver, SimulatorProcess("--webhook-url", receiver.url) as simulator:
        yield simulator, receiver


@pytest.fixture
def simulator(running: tuple[SimulatorProcess, Receiver]) -> SimulatorProcess:
    """The simulator, as new; the receiver says yes to everything."""
    process, receiver = running
    process.control("reset", {})
    client, url = process.client(), receiver.begin_again()
    for endpoint in client.v1.webhook_endpoints.list().data:
        client.v1.webhook_endpoints.update(endpoint.id, {"url": url})
    return process


@pytest.fixture
def receiver(running: tuple[SimulatorProcess, Receiver], simulator: SimulatorProcess) -> Receiver:
    """The receiver, empty."""
    return running[1]


@pytest.fixture
def client(simulator: SimulatorProcess) -> stripe.StripeClient:
    """The platform's own client."""
    return simulator.client()
