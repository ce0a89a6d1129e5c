"""What agents' programs speak to Roony with: `Roony`, and `AsyncRoony` for asyncio; the server is not needed for it."""

from roony.client.callers import AsyncRoony, Roony
from roony.client.errors import RoonyError, Unreachable
from roony.client.sealed import CannotOpen, InvalidPrivateKey

__all__ = ["AsyncRoony", "CannotOpen", "InvalidPrivateKey", "Roony", "RoonyError", "Unreachable"]
