"""`expand[]`: references replaced by the objects they name, and the two secrets of a card (facts 1.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.operations import Call
from roony.simulator.views import View, authorization_view, body_view, card_view
from roony.simulator.world import World

_DEEPEST = 4
# The secrets of a card are put in by its retrieve operation alone; anywhere else the words are passed over.
CARD_SECRETS = ("number", "cvc")
# What may be null and is named expandable where it is published, objects that are always put in among them.
_NOTHING = frozenset(
    {"token", "personalization_design", "dispute", "card_logo", "amount_details", "fleet", "fraud_challenges", "fuel"}
    | {"pending_request", "purchase_details", "treasury"}
)


def _finders(world: World) -> dict[str, tuple[Any, Callable[[World, Any], View]]]:
    return {
        "ic_": (world.cards, card_view),
        "ich_": (world.cardholders, body_view),
        "iauth_": (world.authorizations, authorization_view),
        "ipi_": (world.transactions, body_view),
        "intok_": (world.tokens, body_view),
        "txn_": (world.balance_transactions, body_view),
        "tu_": (world.topups, body_view),
        "acct_": (world.accounts, body_view),
    }


def expand(call: Call, view: View) -> View:
    """Return the answer with everything in `expand` put in; what cannot be expanded is refused."""
    for name in call.params.get("expand") or ():
        steps = name.split(".")
        if len(steps) > _DEEPEST + (steps[0] == "data"):
            raise invalid(f"You cannot expand more than {_DEEPEST} levels of a property.", "expand")
        view = _expanded(call.world, view, steps, name)
    return view


def _expanded(world: World, node: Any, steps: list[str], name: str) -> Any:
    if not steps:
        return node
    if isinstance(node, list):
        return [_expanded(world, element, steps, name) for element in node]
    if node is None:
        return None
    if not isinstance(node, dict):
        raise _refused(name)
    step = steps[0]
    if step in CARD_SECRETS and node.get("object") in ("issuing.card", "list"):
        return node
    if step not in node:
        raise _refused(name)
    value = node[step]
    if isinstance(value, str):
        value = _object(world, value, name)
    elif (value is None and step not in _NOTHING and len(steps) == 1 and not _reference(step)) or not isinstance(
        value, dict | list | None
    ):
        raise _refused(name)
    return {**node, step: _expanded(world, value, steps[1:], name)}


def _reference(step: str) -> bool:
    return step in ("authorization", "balance_transaction", "replaced_by", "replacement_for", "source", "cardholder")


def _object(world: World, identifier: str, name: str) -> View:
    for prefix, (collection, view) in _finders(world).items():
        if identifier.startswith(prefix):
            record = collection.get(identifier)
            if record is not None:
                return view(world, record)
    raise _refused(name)


def _refused(name: str) -> Exception:
    return invalid(f"This property cannot be expanded ({name[:100]}).", "expand")
