"""`expand[]`: references replaced by the objects they name, and the two secrets of a card (facts 1.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.expandable import CARD_SECRETS, FILE, HASHES, REFERENCES, SOURCE, can_name
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.physical_bundles import BUNDLES
from roony.simulator.views import View, authorization_view, body_view, card_view, dispute_view
from roony.simulator.world import World

_DEEPEST = 4  # levels, of which `data` of a list is one
_MOST = 100  # names in one request
# What an operation that changes something answers with, by the beginning of its path; the longest fits.
_ANSWERS = {
    "/v1/accounts": "account",
    "/v1/accounts/{account}/capabilities": "capability",
    "/v1/accounts/{account}/persons": "person",
    "/v1/issuing/authorizations": "issuing.authorization",
    "/v1/issuing/cardholders": "issuing.cardholder",
    "/v1/issuing/cards": "issuing.card",
    "/v1/issuing/disputes": "issuing.dispute",
    "/v1/issuing/personalization_designs": "issuing.personalization_design",
    "/v1/issuing/tokens": "issuing.token",
    "/v1/issuing/transactions": "issuing.transaction",
    "/v1/test_helpers/issuing/authorizations": "issuing.authorization",
    "/v1/test_helpers/issuing/cards": "issuing.card",
    "/v1/test_helpers/issuing/personalization_designs": "issuing.personalization_design",
    "/v1/test_helpers/issuing/transactions": "issuing.transaction",
    "/v1/topups": "topup",
}
_MANY_KINDS = ("/v1/accounts/{account}/external_accounts", "/v1/accounts/{account}/login_links")
_VIEWS = {"issuing.authorization": authorization_view, "issuing.card": card_view, "issuing.dispute": dispute_view}
_SOURCES = ("issuing.transaction", "issuing.authorization", "issuing.dispute", "topup")


def check_expand(operation: Operation, params: Mapping[str, Any]) -> None:
    """Refuse names that cannot be expanded before anything is changed."""
    names = params.get("expand") or ()
    if len(names) > _MOST:
        raise invalid(f"You cannot expand more than {_MOST} properties.", "expand")
    for name in names:
        if name.count(".") >= _DEEPEST:
            raise invalid(f"You cannot expand more than {_DEEPEST} levels of a property ({name[:100]}).", "expand")
    if operation.method == "GET" or operation.path.startswith(_MANY_KINDS):
        return  # nothing changes, or the answer tells
    kinds = [(len(start), kind) for start, kind in _ANSWERS.items() if operation.path.startswith(start)]
    kind = max(kinds)[1] if kinds else ""
    for name in names:
        if not can_name(kind, name.split(".")):
            raise _Place(name).refused()


def expand(call: Call, view: View) -> View:
    """Return the answer with everything in `expand` put in; what cannot be expanded is refused."""
    for name in call.params.get("expand") or ():
        view = _expanded(call.world, view, name.split("."), _Place(name))
    return view


class _Place:
    """Where a walk is: the object it is in, and the path from there."""

    def __init__(self, name: str, kind: str = "", path: str = "") -> None:
        self.name = name
        self.kind = kind
        self.path = path

    def within(self, node: dict[str, Any]) -> _Place:
        """Return the place at the start of an object, or this one for a part of an object."""
        kind = node.get("object")
        return _Place(self.name, kind) if isinstance(kind, str) else self

    def below(self, step: str) -> _Place:
        """Return the place one step further."""
        return _Place(self.name, self.kind, f"{self.path}.{step}" if self.path else step)

    @property
    def target(self) -> str | None:
        """What kind of object the id at this place names, if it names one."""
        return REFERENCES.get(self.kind, {}).get(self.path)

    @property
    def is_hash(self) -> bool:
        """Whether a part of the object belongs here, present or not."""
        return self.path in HASHES.get(self.kind, ())

    def refused(self) -> Exception:
        """Return the refusal of the whole name."""
        told = f"This property cannot be expanded ({self.name[:100]})."
        if self.kind == "list" and not self.name.startswith("data"):
            told += f" You may want to try expanding 'data.{self.name[:100]}' instead."
        return invalid(told, "expand")


def _expanded(world: World, node: Any, steps: list[str], place: _Place) -> Any:
    if not steps or node is None:
        return node
    if isinstance(node, list):
        return [_expanded(world, element, steps, place) for element in node]
    if not isinstance(node, dict):
        # A reference whose object is gone.
        raise place.refused()
    here = place.within(node)
    step, below = steps[0], here.below(steps[0])
    if step in CARD_SECRETS and node.get("object") in ("issuing.card", "list"):
        return node
    value = node.get(step)
    if isinstance(value, dict | list) and step != "metadata" and not _plain(value):
        return {**node, step: _expanded(world, value, steps[1:], below)}
    if below.target is None:
        if value is None and below.is_hash:
            return node
        raise below.refused()
    if value is None or below.target == FILE:
        return node
    found = _object(world, below.target, value)
    return {**node, step: _expanded(world, found, steps[1:], below)}


def _plain(value: dict[str, Any] | list[Any]) -> bool:
    """Whether this is a list of words or numbers, in which nothing can be expanded."""
    return isinstance(value, list) and any(not isinstance(element, dict) for element in value)


def _object(world: World, kind: str, identifier: str) -> View | str:
    """Return the object an id names; an id whose object is gone stays an id."""
    for one in _SOURCES if kind == SOURCE else (kind,):
        record = _record(world, one, identifier)
        if record is not None:
            return _VIEWS.get(one, body_view)(world, record)
    return identifier


def _record(world: World, kind: str, identifier: str) -> Record | None:
    collections = {
        "account": world.accounts,
        "balance_transaction": world.balance_transactions,
        "issuing.authorization": world.authorizations,
        "issuing.card": world.cards,
        "issuing.cardholder": world.cardholders,
        "issuing.dispute": world.disputes,
        "issuing.personalization_design": world.personalization_designs,
        "issuing.physical_bundle": BUNDLES,
        "issuing.token": world.tokens,
        "issuing.transaction": world.transactions,
        "topup": world.topups,
    }
    return collections[kind].get(identifier)
