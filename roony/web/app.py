"""The web application: API, pages, connecting, and Stripe's door in front of everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp

from roony import __version__
from roony.core.address import Network
from roony.flows.change_feed import ChangeFeed
from roony.flows.context import FlowContext
from roony.flows.doctor.installation import Installation
from roony.web import agent_api, approval_page, docs, health, mcp_server, oauth, receipts, reveal, rules, stream
from roony.web.admin_api import routes as admin_routes
from roony.web.dashboard import routes as dashboard_routes
from roony.web.errors import HANDLERS
from roony.web.figures import FiguresReader
from roony.web.frame import RequestCounts, RequestFrame
from roony.web.health import Readiness
from roony.web.key_guard import KeyGuard
from roony.web.known_keys import KnownKeys
from roony.web.openapi import document
from roony.web.rate_limit import RateLimit
from roony.web.requests import AskRoute
from roony.web.session import is_https
from roony.web.webhook import WebhookDoor

_ABOUT = (
    "A self-hosted financial firewall for AI agents: rules, budgets and one tightly limited card per purchase."
    " Amounts are integers in minor units, times RFC 3339 UTC, errors always"
    ' `{"error":{"code","message","field?","id?","request_id"}}`.'
)
# Request bodies and card numbers are nobody else's business.
_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What the app needs beside the flows. `webhook_secrets` may sign Stripe's events, newest first.

    `trusted_proxies` may say whom they speak for. `requests_per_minute` limits keys without a limit of their own.
    `metrics_token`, where there is one, is what reads `/metrics`; `installation` is for `roony doctor`.
    """

    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    simulate: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    requests_per_minute: int = 0
    metrics_token: str = field(default="", repr=False)
    installation: Installation = field(default_factory=Installation)


class Wakeable(Protocol):
    """Somebody who has work to do, such as the worker."""

    def wake(self) -> None:
        """There is something to do now."""


def create_app(
    context: FlowContext, options: AppOptions, worker: Wakeable | None = None, feed: ChangeFeed | None = None,
    readiness: Readiness | None = None,
) -> ASGIApp:  # fmt: skip
    """The ASGI application of one process; till and worker are started and stopped by the wiring."""
    app = FastAPI(
        title="Roony", version=__version__, description=_ABOUT, openapi_url=None, docs_url=None, redoc_url=None,
        redirect_slashes=False, exception_handlers=HANDLERS, telemetry=_TELEMETRY,
    )  # fmt: skip
    app.openapi = partial(document, app)  # type: ignore[method-assign] # as FastAPI says to do it
    app.state.key_guard = KeyGuard(options.trusted_proxies, options.requests_per_minute)
    app.state.known_keys = KnownKeys()
    app.state.sign_in_rate = RateLimit()
    wake = worker.wake if worker is not None else lambda: None
    app.state.wake_worker = wake
    # Taken as they are: `include_router` would build each of them again, for every app and once more when first asked.
    for agents in (agent_api, rules, receipts, stream):
        app.router.routes.extend(agents.router.routes)
    app.router.routes.extend(admin_routes)
    app.router.routes.extend([*docs.routes(), *oauth.routes(context, options.simulate), *reveal.routes(context)])
    app.router.routes.extend([*approval_page.routes(), *mcp_server.routes(), *dashboard_routes()])
    return _behind_the_door(app, context, options, feed or ChangeFeed(context.database), readiness or Readiness(), wake)


def create_door(context: FlowContext, options: AppOptions, feed: ChangeFeed, readiness: Readiness) -> ASGIApp:
    """The application of a process that answers Stripe, and whoever asks how it is: no pages, no API, no worker."""
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, exception_handlers=HANDLERS,
        telemetry=_TELEMETRY,
    )  # fmt: skip
    return _behind_the_door(app, context, options, feed, readiness, lambda: None)


def _behind_the_door(
    app: FastAPI, context: FlowContext, options: AppOptions, feed: ChangeFeed, readiness: Readiness,
    on_kept: Callable[[], None],
) -> ASGIApp:  # fmt: skip
    """What every application has: its state, who asks how it is, a frame around each request, and Stripe's door."""
    counts = RequestCounts()
    app.state.context = context
    app.state.options = options
    app.state.counts = counts
    app.state.feed = feed
    app.state.readiness = readiness
    app.state.probe = health.Probe(context)
    app.state.figures = FiguresReader(context)
    context.till.listen(feed.committed)
    app.router.routes.extend(health.routes())
    at_once = {
        (method, route.path): route.answer
        for route in app.router.routes if isinstance(route, AskRoute) for method in route.methods or ()
    }  # fmt: skip
    app.add_middleware(
        RequestFrame, new_id=context.new_id, counts=counts, is_https=partial(is_https, context), at_once=at_once
    )
    door = WebhookDoor(context, options.webhook_secrets, app, on_kept)
    app.state.latency, app.state.keeper, app.state.forged = door.latency, door.keeper, door.forged
    return door
