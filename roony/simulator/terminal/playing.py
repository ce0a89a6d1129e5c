"""The merchant's part, played by a person: each press of a button is a call of the API's own operations."""

from __future__ import annotations

import inspect
import re
import time
from typing import Any

from roony.simulator.accounts import default_currency
from roony.simulator.events import REQUEST, event_view
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, missing, no_such
from roony.simulator.stripe_api import OPERATIONS
from roony.simulator.stripe_api.door import Door
from roony.simulator.stripe_api.expanding import expand
from roony.simulator.stripe_api.operations import Call
from roony.simulator.stripe_api.parameters import read_fields
from roony.simulator.terminal.amounts import minor_units
from roony.simulator.terminal.showing import card_line, purchase

_HELPERS = "/v1/test_helpers/issuing"
_POSTS = {operation.path: operation for operation in OPERATIONS if operation.method == "POST"}
# How the card is used, as parameters of the helper.
_WAYS = {
    "online": {"authorization_method": "online"},
    "in_person": {"authorization_method": "chip"},
    "wallet": {"authorization_method": "contactless", "wallet": "apple_pay"},
}
_AMOUNTS = {"capture": "capture_amount", "increment": "increment_amount", "reverse": "reverse_amount"}
_ACTIONS = (*_AMOUNTS, "expire")
_UNASKED = ("create_force_capture", "create_unlinked_refund")
_LONGEST = 200  # characters of any field
_EXPIRY = re.compile(r"(0?[1-9]|1[0-2])\s*/\s*(?:20)?([0-9]{2})")
_ADDRESSES = {
    "US": {"line1": "510 Townsend Street", "city": "San Francisco", "state": "CA", "postal_code": "94103"},
    "GB": {"line1": "1 High Street", "city": "London", "postal_code": "SW1A 1AA"},
}
_OTHER_ADDRESS = {"line1": "Hauptstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}


class Player:
    """Does what the terminal's buttons say; every refusal is the one an API caller would get."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.world = door.world

    async def _post(self, account: str, path: str, params: Any, **names: str) -> dict[str, Any]:
        """Run one operation of the API for an account, as with its own key."""
        operation = _POSTS[path]
        key = {"id": "terminal", "account": account, "kind": "secret"}
        read = read_fields(_as_form(params), operation.accepted())
        call = Call(self.world, self.door.network, account, key, names, read)
        result = operation.handle(call)
        if inspect.isawaitable(result):
            result = await result
        return expand(call, result)

    def find_card(self, wish: dict[str, Any]) -> Record:
        """Return the card with the typed number, in whatever account it is, or the chosen one."""
        typed = re.sub(r"[\s-]", "", _text(wish, "number"))
        if typed:
            card = next((one for one in self.world.cards if one["pan"] == typed), None)
            if card is None:
                raise invalid("No card here has this number.", "number", "incorrect_number")
            return card
        if not _text(wish, "card"):
            raise missing("card")
        card = self.world.cards.get(_text(wish, "card"))
        if card is None:
            raise no_such("issuing card", _text(wish, "card")[:60], "card")
        return card

    def found(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Say which card a typed number belongs to."""
        return {"card": card_line(self.world, self.find_card(wish))}

    async def charge(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Ask for money; the answer tells how long the decision took, in whole milliseconds."""
        card = self.find_card(wish)
        way = _WAYS.get(_text(wish, "way") or "online")
        if way is None:
            raise invalid(f"`way` is one of {', '.join(_WAYS)}.", "way")
        params = {
            **self._purchase_params(card, wish),
            **way,
            "is_amount_controllable": wish.get("smaller") is True,
            "verification_data": _verification(card, wish),
        }
        before, started = self.world.delivery_log.seen, time.monotonic()
        made = await self._post(card["account"], _HELPERS + "/authorizations", params)
        took = round((time.monotonic() - started) * 1000)
        asked = self._asking_time(before, made["id"])
        return {"purchase": self._shown(made["id"]), "milliseconds": took, "webhook_milliseconds": asked}

    def _purchase_params(self, card: Record, wish: dict[str, Any]) -> dict[str, Any]:
        currency = (_text(wish, "currency") or card["body"]["currency"]).lower()
        merchant = wish.get("merchant", {})
        if not isinstance(merchant, dict) or not _text(merchant, "name"):
            raise missing("merchant[name]")
        named = {key: _text(merchant, key) for key in ("name", "category", "country") if _text(merchant, key)}
        return {
            "card": card["id"],
            "amount": minor_units(wish.get("amount"), currency, "amount"),
            "currency": currency,
            "merchant_data": named,
        }

    def _asking_time(self, before: int, authorization: str) -> int | None:
        """Return how long the real-time request of this authorization took, if one was sent."""
        log = self.world.delivery_log
        for entry in log.newest_first()[: log.seen - before]:
            if entry["type"] == REQUEST and self._about(entry["event"]) == authorization:
                return int(entry["milliseconds"])
        return None

    def _about(self, event: str) -> str | None:
        record = self.world.events.get(event)
        return None if record is None else str(event_view(record, connected=False)["data"]["object"]["id"])

    async def unasked(self, verb: str, wish: dict[str, Any]) -> dict[str, Any]:
        """Take money without asking, or give it where nothing was bought."""
        if verb not in _UNASKED:
            raise no_such("action", verb[:40], "action")
        card = self.find_card(wish)
        params = self._purchase_params(card, wish)
        booked = await self._post(card["account"], f"{_HELPERS}/transactions/{verb}", params)
        return {"transaction": booked["id"]}

    async def act(self, identifier: str, verb: str, wish: dict[str, Any]) -> dict[str, Any]:
        """Take the next step of an authorization: capture, increment, reverse or expire; no amount means all."""
        record = self.world.authorizations.get(identifier)
        if record is None or verb not in _ACTIONS:
            raise no_such("authorization", identifier[:60], "id")
        params: dict[str, Any] = {}
        if verb in _AMOUNTS and _text(wish, "amount"):
            params[_AMOUNTS[verb]] = minor_units(wish["amount"], record["body"]["currency"], "amount")
        if verb == "capture" and wish.get("keep_open") is True:
            params["close_authorization"] = False
        path = f"{_HELPERS}/authorizations/{{authorization}}/{verb}"
        await self._post(record["account"], path, params, authorization=identifier)
        return {"purchase": self._shown(identifier)}

    async def refund(self, identifier: str, wish: dict[str, Any]) -> dict[str, Any]:
        """Give back a settled purchase; no amount means all that is left."""
        record = self.world.transactions.get(identifier)
        if record is None:
            raise no_such("transaction", identifier[:60], "id")
        params = {}
        if _text(wish, "amount"):
            params["refund_amount"] = minor_units(wish["amount"], record["body"]["currency"], "amount")
        path = f"{_HELPERS}/transactions/{{transaction}}/refund"
        booked = await self._post(record["account"], path, params, transaction=identifier)
        return {"transaction": booked["id"]}

    async def new_card(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Make a cardholder with an active card in an account, and tell the number: it buys nothing real."""
        account = self.world.accounts.get(_text(wish, "account") or self.world.platform)
        if account is None:
            raise no_such("account", _text(wish, "account")[:60], "account")
        country = account["body"]["country"]
        known = _ADDRESSES.get(country)
        address = {**known, "country": country} if known else _OTHER_ADDRESS
        terms = {"user_terms_acceptance": {"date": self.world.clock.now(), "ip": "127.0.0.1"}}
        holder = {
            "name": _text(wish, "name") or "Jenny Rosen",
            "type": "individual",
            "email": "jenny.rosen@example.com",
            "phone_number": "+18008675309",
            "individual": {"first_name": "Jenny", "last_name": "Rosen", "card_issuing": terms},
            "billing": {"address": address},
        }
        made = await self._post(account["id"], "/v1/issuing/cardholders", holder)
        currency = default_currency(country)
        params = {"cardholder": made["id"], "currency": currency, "type": "virtual", "status": "active"}
        card = await self._post(account["id"], "/v1/issuing/cards", params)
        record = self.world.cards[card["id"]]
        secrets = {"number": record["pan"], "cvc": record["cvc"], "expiry": _expiry_of(record)}
        return {"card": card_line(self.world, record), **secrets}

    def _shown(self, authorization: str) -> dict[str, Any]:
        return purchase(self.world, self.world.authorizations[authorization])


def _text(wish: dict[str, Any], name: str) -> str:
    value = wish.get(name, "")
    # A lone surrogate can be written in JSON, and no event could carry it as UTF-8.
    if not isinstance(value, str) or len(value) > _LONGEST or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise invalid(f"`{name}` is a text of at most {_LONGEST} characters.", name)
    return value.strip()


def _expiry_of(card: Record) -> str:
    return f"{card['body']['exp_month']:02d}/{card['body']['exp_year'] % 100:02d}"


def _verification(card: Record, wish: dict[str, Any]) -> dict[str, str]:
    """Compare what was typed with the card, as the network does; what was not typed is not checked."""
    cvc, expiry = _text(wish, "cvc"), _text(wish, "expiry")
    read = _EXPIRY.fullmatch(expiry)
    if expiry and read is None:
        raise invalid("Write the expiry date as MM/YY.", "expiry")
    typed = f"{int(read[1]):02d}/{read[2]}" if read else ""
    checks = (("cvc_check", cvc, card["cvc"]), ("expiry_check", typed, _expiry_of(card)))
    return {
        name: ("match" if given == real else "mismatch") if given else "not_provided" for name, given, real in checks
    }


def _as_form(value: Any) -> Any:
    """Return parameters as a form sends them: texts, and lists by position."""
    if isinstance(value, dict):
        return {key: _as_form(entry) for key, entry in value.items()}
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
