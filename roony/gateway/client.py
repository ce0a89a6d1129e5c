"""The one configured Stripe client of a process, and on whose behalf a call is made.

Retries: the SDK's are switched off. Roony's outbox repeats a call with the parameters and the key stored in
its row, after a crash as well; retries inside the SDK would hold a thread for their pauses, would repeat an
OAuth code exchange (which revokes the connection, stripe-facts.md trap 23), and would hide from the outbox
how often Stripe was asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import stripe
import stripe._util
from stripe._stripe_object import StripeObject
from stripe._stripe_response import StripeResponse

from roony.core.address import LOOPBACK_HOSTS
from roony.core.authorization import STRIPE_VERSION
from roony.gateway.errors import StripeCallFailed, failure_from_bug, failure_from_sdk
from roony.gateway.pace import LIVE_RATE, TEST_RATE, Pace
from roony.gateway.pool import GatewayBusy
from roony.gateway.wire import BoundedHttpClient
from roony.measures import CallCounts
from roony.stop_points import reach

"""The version every call names: no account's default may change the shape of an answer (section 0)."""

API_BASE = "https://api.stripe.com"
CONNECT_BASE = "https://connect.stripe.com"

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 8.0
POOL_SIZE = 16
"""Connections per host; not fewer than the threads of the GatewayPool, or threads wait for each other."""

IDEMPOTENCY_KEY_LIMIT = 255
"""Longest key Stripe accepts, in characters (section 7.1)."""

PlainObject = dict[str, Any]
"""A Stripe object as plain JSON-like data: StripeObject is no dict since SDK 15."""


log = logging.getLogger(__name__)


class WrongMode(ValueError):
    """A live connection would be spoken to with a test key, or the reverse; nothing was sent."""


@dataclass(frozen=True, slots=True)
class ConnectionAccess:
    """On whose behalf a call is made.

    `connect`: platform key + `Stripe-Account`. `direct`: the key's own account, `stripe_account` is not sent.
    `stripe_app`: the installer's access token in place of the key; it already names the account.
    """

    kind: Literal["connect", "direct", "stripe_app"]
    stripe_account: str | None
    livemode: bool
    access_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in ("connect", "direct", "stripe_app"):
            raise ValueError(f"unknown kind of connection: {self.kind!r}")
        if self.kind == "connect" and not self.stripe_account:
            raise ValueError("a connect connection needs its stripe_account")
        if (self.kind == "stripe_app") != bool(self.access_token):
            raise ValueError("a stripe_app connection needs an access_token, and no other kind has one")


class StripeGateway:
    """One SDK client for the platform, safe to share between threads. Times are in seconds.

    Raises ValueError for a missing secret key and for plain http to another machine: the key would travel in
    clear.
    """

    def __init__(
        self,
        *,
        secret_key: str,
        connect_client_id: str | None = None,
        app_client_id: str | None = None,
        api_base: str = API_BASE,
        connect_base: str = CONNECT_BASE,
        connect_timeout: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout: float = READ_TIMEOUT_SECONDS,
        pool_size: int = POOL_SIZE,
        pace: Pace | None = None,
    ) -> None:
        if not secret_key:
            raise ValueError("the Stripe secret key is empty")
        self.connect_client_id = connect_client_id
        self.app_client_id = app_client_id
        self.api_base = _checked_base("api_base", api_base)
        self.connect_base = _checked_base("connect_base", connect_base)
        self.livemode = secret_key.startswith(("sk_live_", "rk_live_"))
        _quiet_sdk()
        # A simulator on this machine publishes no limit.
        if pace is None and not _is_loopback(self.api_base):
            pace = Pace(LIVE_RATE if self.livemode else TEST_RATE)
        self.pace = pace
        self.calls = CallCounts()
        self._http = BoundedHttpClient(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            pool_size=pool_size,
            environment_proxies=not _is_loopback(self.api_base),
            pace=pace,
        )
        # No stripe_account here: an option per call cannot unset one on the client (section 7.5).
        self.sdk = stripe.StripeClient(
            secret_key,
            stripe_version=STRIPE_VERSION,
            base_addresses={"api": self.api_base, "connect": self.connect_base},
            client_id=connect_client_id,
            max_network_retries=0,
            http_client=self._http,
        )

    def __repr__(self) -> str:
        mode = "live" if self.livemode else "test"
        return f"StripeGateway({self.api_base}, {mode} mode)"

    def close(self) -> None:
        """Closes idle connections; a call in progress finishes."""
        self._http.close()

    def options(self, access: ConnectionAccess, key: str | None = None) -> Any:
        """The SDK's per-call options for `access`; `key` is the idempotency key of a call that writes.

        Raises WrongMode when connection and platform key differ in mode, ValueError for an unusable key.
        """
        options: dict[str, Any] = {"max_network_retries": 0}
        self.refuse_other_mode(access.livemode)
        if access.kind == "stripe_app":
            options["api_key"] = access.access_token
        if access.kind == "connect":
            options["stripe_account"] = access.stripe_account
        if key is not None:
            # An empty key would make the SDK invent a random one: a retry would then make a second card.
            if not 0 < len(key) <= IDEMPOTENCY_KEY_LIMIT:
                raise ValueError(f"an idempotency key has 1 to {IDEMPOTENCY_KEY_LIMIT} characters")
            options["idempotency_key"] = key
        return options

    def refuse_other_mode(self, livemode: bool) -> None:
        """Raises WrongMode for a connection of the other mode than the platform's key; an app's tokens too are renewed
        with that key.
        """
        if livemode != self.livemode:
            raise WrongMode(f"connection livemode={livemode}, Stripe key livemode={self.livemode}")

    def send(self, method: str, path: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> StripeResponse:
        """One call whose answer stays JSON, for what is called often: inside `perform` alone.

        The SDK's objects, which are made into plain data again here, cost as much as all the rest of a call.
        """
        return self.sdk.raw_request(method, path, **params, **options)

    def perform(self, request: Callable[[], StripeObject | StripeResponse]) -> PlainObject:
        """Runs one SDK call and returns its answer as plain data. Stop points call it after the function it is in.

        Raises a StripeCallFailed for everything that goes wrong, unchained: the SDK's exception keeps the raw
        answer, which may hold a token or a card number, and tracebacks and error reporters follow the chain.
        """
        failed: StripeCallFailed
        name = request.__qualname__.partition(".")[0]
        started = time.monotonic()
        reach("before_call", [name])
        try:
            answer = request()
            plain: PlainObject = (
                dict(cast("PlainObject", answer.data))
                if isinstance(answer, StripeResponse)
                else answer.to_dict(for_json=True)
            )
        except GatewayBusy:
            self.calls.count(name, "not_sent", time.monotonic() - started)
            raise
        except stripe.StripeError as error:
            failed = failure_from_sdk(error)
        except Exception as error:
            failed = failure_from_bug(error)
        else:
            self.calls.count(name, "ok", time.monotonic() - started)
            reach("after_call", [name])
            response = answer if isinstance(answer, StripeResponse) else getattr(answer, "last_response", None)
            request_id = getattr(response, "request_id", None)
            log.debug("stripe answered request=%s ms=%d", request_id, (time.monotonic() - started) * 1000)
            return plain
        self.calls.count(name, failed.failure.kind.value, time.monotonic() - started)
        reach("after_call", [name])
        raise failed


def require_id(name: str, value: str) -> str:
    """`value`, or ValueError when empty: `GET /v1/issuing/cards/` with no id is the list, no error."""
    if not value:
        raise ValueError(f"{name} is empty")
    return value


def _checked_base(name: str, base: str) -> str:
    parts = urlsplit(base)
    plain_http_here = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not parts.hostname or not (parts.scheme == "https" or plain_http_here):
        raise ValueError(f"{name} must be https, or http on this machine only: {parts.scheme}://{parts.hostname}")
    return base.rstrip("/")


def _is_loopback(base: str) -> bool:
    return urlsplit(base).hostname in LOOPBACK_HOSTS


class _NothingBelowWarning(logging.Filter):
    """Drops the SDK's info and debug records: at debug it logs whole bodies, card numbers and tokens included
    (P6).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


def _quiet_sdk() -> None:
    """Switches off the SDK's telemetry and its logging; both exist only as globals of the process."""
    stripe.enable_telemetry = False
    stripe.log = None
    # The environment variable STRIPE_LOG=debug prints bodies to stderr and has no public switch once
    # imported.
    stripe._util.STRIPE_LOG = None  # noqa: SLF001 - see above
    logger = logging.getLogger("stripe")
    if not any(isinstance(known, _NothingBelowWarning) for known in logger.filters):
        logger.addFilter(_NothingBelowWarning())
