"""The simulator's own controls under /_simulator: reset, faults, delivery, clock, state, and what Stripe would set."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from roony.simulator import disputing, exchanges, standing, webhook_controls
from roony.simulator.browsers import read_json, refuse_foreign
from roony.simulator.connecting import revoke
from roony.simulator.events import emit, event_view
from roony.simulator.forcing import force
from roony.simulator.lifecycle import mark_as_fraud
from roony.simulator.pages import page
from roony.simulator.records import Record
from roony.simulator.refusals import Refusal, invalid, no_such
from roony.simulator.settlement import expire_due
from roony.simulator.stripe_api.cardholders import disabled_reason
from roony.simulator.stripe_api.door import Door, read_body
from roony.simulator.topups import settle_due
from roony.simulator.views import (
    authorization_view,
    body_view,
    card_view,
    dispute_view,
    endpoint_view,
    frozen,
    previous_attributes,
)
from roony.simulator.world import CLIENT_ID

_MOST_SECONDS = 100 * 366 * 24 * 3600
# The options of delivery: what kind of value each takes, and the most.
_DELIVERY: dict[str, tuple[Any, int]] = {
    "duplicate": (int, 100),
    "shuffle": (bool, 1),
    "delay": ((int, float), _MOST_SECONDS),
    "lose": ((int, float), 1),
    "lose_count": (int, 1_000_000),
    "seed": (int, 2**63 - 1),
}
_ACCOUNT = {"timeout_action", "card_issuing", "issuing_balance", "topup_delay", "fraud_challenges"}
_CARDHOLDER = {"status", "disabled_reason", "past_due"}
_DISABLED = (None, "listed", "rejected.listed", "requirements.past_due", "under_review")


def routes(door: Door) -> list[Route]:
    """Return the routes of the controls and of the root page."""
    controls = ControlApi(door)
    post = [
        ("reset", controls.reset),
        ("faults", controls.faults),
        ("delivery", controls.delivery),
        ("clock", controls.clock),
        ("redirect_uris", controls.redirect_uris),
        ("accounts/{account}", controls.account),
        ("accounts/{account}/disconnect", controls.disconnect),
        ("cardholders/{cardholder}", controls.cardholder),
        ("cards/{card}", controls.card),
        ("webhook_endpoints/{endpoint}/roll_secret", controls.roll_secret),
        ("events/{event}/resend", controls.resend),
        ("disputes/{dispute}/close", controls.close_dispute),
        ("disputes/{dispute}/provisional_credit", controls.credit_dispute),
    ]
    return [
        Route("/", controls.root),
        Route("/_simulator/state", controls.guarded(controls.state), methods=["GET"]),
        Route("/_simulator/clock", controls.guarded(controls.now), methods=["GET"]),
        Route("/_simulator/faults", controls.guarded(controls.shown_faults), methods=["GET"]),
        *(Route(f"/_simulator/{path}", controls.guarded(handler), methods=["POST"]) for path, handler in post),
    ]


class ControlApi:
    """Lets a test or a person change the weather; needs no key, since only this machine can reach it."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.world = door.world

    async def root(self, request: Request) -> Response:
        """Say what this is."""
        rows = {"API": f"{request.base_url}v1", "Client id": CLIENT_ID, "Account": self.world.platform}
        table = "".join(f"<tr><th>{name}</th><td><code>{value}</code></td></tr>" for name, value in rows.items())
        terminal = '<p><a class="main" href="/_simulator/">Open the merchant terminal</a></p>'
        return HTMLResponse(page("Stripe simulator", f"{terminal}<table>{table}</table>"))

    def guarded(
        self, handler: Callable[[Request, Any], Awaitable[dict[str, Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a control: JSON in, JSON out, refusals in Stripe's error shape."""

        async def endpoint(request: Request) -> Response:
            try:
                refuse_foreign(request)
                raw = await read_body(request)
                answer, status = await handler(request, read_json(raw)), 200
            except Refusal as refusal:
                answer, status = refusal.body, refusal.status
            finally:
                self.world.save()
                self.door.delivery.look()
            return Response(json.dumps(answer), status, media_type="application/json")

        return endpoint

    async def reset(self, _request: Request, _body: Any) -> dict[str, Any]:
        """Forget everything but the own account, its key and its endpoints; faults and options go too."""
        self.world.reset()
        self.door.idempotency.forget_those_in_use()
        self.door.faults.set([])
        self.door.delivery.set_options({})
        self.door.delivery.restart()
        return {"reset": True, "account": self.world.platform}

    async def faults(self, _request: Request, body: Any) -> dict[str, Any]:
        """Replace the faults in force."""
        return {"faults": self.door.faults.set(body)}

    async def shown_faults(self, _request: Request, _body: Any) -> dict[str, Any]:
        """Return the faults in force, with what is left of their counts."""
        return {"faults": self.door.faults.shown()}

    async def delivery(self, _request: Request, body: Any) -> dict[str, Any]:
        """Replace the delivery options; what is not named goes back to normal."""
        options = _object(body)
        for name, value in options.items():
            kind, most = _DELIVERY.get(name, (None, 0))
            if kind is None:
                raise invalid(f"Unknown delivery option: {name[:60]}", name[:60])
            if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool) or not 0 <= value <= most:
                raise invalid(f"Wrong value of `{name}`: it lies between 0 and {most}.", name)
        return {"delivery": self.door.delivery.set_options(options)}

    async def clock(self, _request: Request, body: Any) -> dict[str, Any]:
        """Advance the clock; authorizations that have become too old expire."""
        seconds = _object(body).get("advance")
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= _MOST_SECONDS:
            raise invalid("`advance` is a whole number of seconds, not negative.", "advance")
        if self.world.clock.offset + seconds * 1_000_000 > _MOST_SECONDS * 1_000_000:
            raise invalid("The clock cannot go that far.", "advance")
        self.world.kept["offset"] = self.world.clock.offset + seconds * 1_000_000
        self.world.settings.touch(self.world.kept)
        acknowledged = await self.door.world.clock.advance(seconds)
        expire_due(self.world)
        disputing.expire_due(self.world)
        settle_due(self.world)
        return {"now": self.world.clock.now(), "acknowledged": acknowledged}

    async def now(self, _request: Request, _body: Any) -> dict[str, Any]:
        """Return the simulated time."""
        return {"now": self.world.clock.now(), "offset": self.world.clock.offset // 1_000_000}

    async def redirect_uris(self, _request: Request, body: Any) -> dict[str, Any]:
        """Register the addresses OAuth may redirect to, beside loopback ones."""
        uris = _object(body).get("uris")
        if not isinstance(uris, list) or not all(isinstance(uri, str) and len(uri) < 2000 for uri in uris):
            raise invalid("`uris` is a list of addresses.", "uris")
        self.world.kept["redirect_uris"] = uris
        self.world.settings.touch(self.world.kept)
        return {"uris": uris}

    async def account(self, request: Request, body: Any) -> dict[str, Any]:
        """Set what the Dashboard would: timeout action, capability, Issuing balance, and how long top-ups take."""
        record, wish = self.world.accounts.get(request.path_params["account"]), _object(body)
        if record is None or record["deleted"]:
            raise no_such("account", request.path_params["account"], "account")
        _refuse_unknown(wish, _ACCOUNT)
        if wish.get("timeout_action", "decline") not in ("approve", "decline"):
            raise invalid("`timeout_action` is approve or decline.", "timeout_action")
        if wish.get("card_issuing", "active") not in ("active", "inactive", "pending"):
            raise invalid("`card_issuing` is active, inactive or pending.", "card_issuing")
        balance = _object(wish.get("issuing_balance", {}))
        whole = all(isinstance(amount, int) and not isinstance(amount, bool) for amount in balance.values())
        if not whole or not all(len(code) == 3 for code in balance):
            raise invalid("`issuing_balance` maps a currency to minor units.", "issuing_balance")
        delay = wish.get("topup_delay", record["topup_delay"])
        if not isinstance(delay, int) or isinstance(delay, bool) or not 0 <= delay <= _MOST_SECONDS:
            raise invalid("`topup_delay` is a whole number of seconds, not negative.", "topup_delay")
        challenged = wish.get("fraud_challenges", bool(record.get("fraud_challenges")))
        if not isinstance(challenged, bool):
            raise invalid("`fraud_challenges` is true or false.", "fraud_challenges")
        record.update(topup_delay=delay, fraud_challenges=challenged)
        record["timeout_action"] = wish.get("timeout_action", record["timeout_action"])
        record["issuing"].update(balance)
        if "card_issuing" in wish:
            with standing.telling(self.world, record):
                standing.set_capability(self.world, record, "card_issuing", wish["card_issuing"])
        self.world.accounts.touch(record)
        return {"id": record["id"], "timeout_action": record["timeout_action"], "issuing": record["issuing"]}

    async def card(self, request: Request, body: Any) -> dict[str, Any]:
        """Force the reason of a card's next request, or set the fraud warning about it."""
        record, wish = self.world.cards.get(request.path_params["card"]), _object(body)
        if record is None:
            raise no_such("issuing card", request.path_params["card"], "card")
        if wish.keys() == {"fraud_warning"}:
            return {
                "id": record["id"],
                "latest_fraud_warning": mark_as_fraud(self.world, record, wish["fraud_warning"]),
            }
        return force(self.world, record, wish)

    async def cardholder(self, request: Request, body: Any) -> dict[str, Any]:
        """Set what only Stripe can: block a cardholder, or require something of it."""
        record, wish = self.world.cardholders.get(request.path_params["cardholder"]), _object(body)
        if record is None:
            raise no_such("cardholder", request.path_params["cardholder"], "cardholder")
        _refuse_unknown(wish, _CARDHOLDER)
        if wish.get("status", "active") not in ("active", "blocked", "inactive"):
            raise invalid("`status` is active, blocked or inactive.", "status")
        if wish.get("disabled_reason") not in _DISABLED:
            raise invalid("Unknown disabled_reason.", "disabled_reason")
        due = wish.get("past_due", [])
        if not isinstance(due, list) or not all(isinstance(one, str) for one in due):
            raise invalid("`past_due` is a list of the names of what is missing.", "past_due")
        before = frozen(record["body"])
        record["body"]["status"] = wish.get("status", record["body"]["status"])
        required = record["body"]["requirements"]
        if "past_due" in wish:
            required.update(disabled_reason=disabled_reason(required, due), past_due=due)
        if "disabled_reason" in wish:
            required["disabled_reason"] = wish["disabled_reason"]
        self.world.cardholders.touch(record)
        changed = previous_attributes(before, record["body"])
        emit(self.world, record["account"], "issuing_cardholder.updated", record["body"], changed)
        return body_view(self.world, record)

    async def disconnect(self, request: Request, _body: Any) -> dict[str, Any]:
        """End a connection or an installed app, as the business itself does in its Dashboard."""
        record = self.world.accounts.get(request.path_params["account"])
        if record is None or record["id"] == self.world.platform:
            raise no_such("account", request.path_params["account"], "account")
        revoke(self.world, record["id"])
        return {"account": record["id"], "connected": record["connected"], "installed": record["installed"]}

    async def roll_secret(self, request: Request, body: Any) -> dict[str, Any]:
        """Give a webhook endpoint a new signing secret, as the Dashboard does."""
        return webhook_controls.roll(self.world, request.path_params["endpoint"], _object(body))

    async def resend(self, request: Request, body: Any) -> dict[str, Any]:
        """Send an event again, as the Dashboard and the CLI do."""
        return webhook_controls.resend(self.world, request.path_params["event"], _object(body))

    async def close_dispute(self, request: Request, body: Any) -> dict[str, Any]:
        """Let the card network decide: `status` is won, lost (with a `loss_reason`) or expired."""
        wish = _object(body)
        record = disputing.close(
            self.world, self._dispute(request), str(wish.get("status"))[:20], wish.get("loss_reason")
        )
        return dispute_view(self.world, record)

    async def credit_dispute(self, request: Request, _body: Any) -> dict[str, Any]:
        """Let Stripe lend the disputed amount until the card network decides."""
        return dispute_view(self.world, disputing.credit(self.world, self._dispute(request)))

    def _dispute(self, request: Request) -> Record:
        record = self.world.disputes.get(request.path_params["dispute"])
        if record is None:
            raise no_such("issuing dispute", request.path_params["dispute"], "dispute")
        return record

    async def state(self, _request: Request, _body: Any) -> dict[str, Any]:
        """Return every object there is; card numbers, keys and secrets are left out."""
        world = self.world
        plain = (
            "cardholders",
            "tokens",
            "transactions",
            "balance_transactions",
            "topups",
            "persons",
            "external_accounts",
            "personalization_designs",
        )
        return {
            "now": world.clock.now(),
            "platform": world.platform,
            "accounts": [
                {**record["body"], "connected": record["connected"], "issuing": record["issuing"]}
                for record in world.accounts
                if not record["deleted"]
            ],
            **{name: [body_view(world, record) for record in world.collections[name]] for name in plain},
            "cards": [card_view(world, record) for record in world.cards],
            "authorizations": [authorization_view(world, record) for record in world.authorizations],
            "disputes": [dispute_view(world, record) for record in world.disputes],
            "webhook_endpoints": [
                {**endpoint_view(world, record), "connect": record["connect"]} for record in world.endpoints
            ],
            "events": [event_view(record, connected=record["account"] != world.platform) for record in world.events],
            "oauth_exchanges": exchanges.shown(world),
            "undelivered": [
                {key: record[key] for key in ("event", "endpoint", "tries", "due")} for record in world.deliveries
            ],
        }


def _refuse_unknown(wish: dict[str, Any], known: set[str]) -> None:
    """Refuse a misspelled field: a setting that silently does nothing would cost its user an hour."""
    unknown = sorted(wish.keys() - known)
    if unknown:
        raise invalid(f"Unknown field: {unknown[0][:60]}. Known: {', '.join(sorted(known))}.", unknown[0][:60])


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise invalid("Send a JSON object.")
    return body
