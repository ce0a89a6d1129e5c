"""What flows work with where nobody calls Stripe: a call would find nobody there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from roony.flows.context import FlowContext
from roony.gateway.pool import GatewayPool
from roony.store.vault import Vault
from tests.support.books import Books
from tests.support.connecting import VAULT_KEY, stripe_gateway


@contextmanager
def offline_context(books: Books) -> Iterator[FlowContext]:
    """A context over these books whose Stripe is an address of loopback where nothing listens."""
    gateway, pool = stripe_gateway("http://127.0.0.1:9"), GatewayPool(threads=1)
    try:
        yield FlowContext(
            books.till, books.database, gateway, pool, Vault([VAULT_KEY]), books.clock, books.new_id, lambda: "http://x"
        )
    finally:
        pool.close()
        gateway.close()
