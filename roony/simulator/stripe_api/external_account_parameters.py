"""What may be sent about a bank account or debit card for payouts: a token, or a hash that says which it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roony.simulator.refusals import missing
from roony.simulator.stripe_api.parameters import Boolean, Field, Group, Integer, Metadata, Text, read_fields
from roony.simulator.stripe_api.person_parameters import files, texts

KINDS = ("bank_account", "card")
CARD_ADDRESS = ("address_city", "address_country", "address_line1", "address_line2", "address_state", "address_zip")
_HOLDERS = ("company", "individual")
_OBJECT = Text(required=True, choices=KINDS)

_CARD: dict[str, Field] = {
    **texts(*CARD_ADDRESS, "currency", "cvc", "name"),
    "exp_month": Integer(required=True),
    "exp_year": Integer(required=True),
    "metadata": Metadata(),
    "number": Text(required=True),
    "object": _OBJECT,
}
_TOKEN: dict[str, Field] = {"currency": Text(), "object": _OBJECT, "token": Text(required=True)}


def _bank_account(*, currency_required: bool, several: bool) -> dict[str, Field]:
    return {
        "account_holder_name": Text(),
        "account_holder_type": Text(choices=_HOLDERS if several else ()),
        "account_number": Text(required=True),
        "country": Text(required=True),
        "currency": Text(required=currency_required),
        "object": Text(required=True),
        "routing_number": Text(),
    }


@dataclass(frozen=True, kw_only=True)
class TokenOrHash(Text):
    """A token, or a hash whose `object` says which fields it has; a card may be a hash around a token."""

    kinds: Mapping[str, Mapping[str, Field]]

    def typed(self, value: Any, name: str) -> Any:
        """Read the text, or the hash by its kind."""
        if not isinstance(value, dict):
            return super().typed(value, name)
        if "object" not in value:
            raise missing(f"{name}[object]")
        # With one kind there is nothing to choose: Stripe publishes `object` without choices then.
        choices = tuple(self.kinds)
        kind = Text(choices=choices).read(value["object"], f"{name}[object]") if len(choices) > 1 else choices[0]
        return read_fields(value, _TOKEN if kind == "card" and "token" in value else self.kinds[kind], name)


def external_account(
    kinds: tuple[str, ...] = KINDS,
    *,
    required: bool = False,
    clearable: bool = False,
    currency_required: bool = False,
    default: bool = False,
) -> TokenOrHash:
    """Return the parameter for one operation: its kinds, and whether a card may say that it is the default."""
    card = {**_CARD, "default_for_currency": Boolean()} if default else _CARD
    known: dict[str, Mapping[str, Field]] = {
        "bank_account": _bank_account(currency_required=currency_required, several=len(kinds) > 1),
        "card": card,
    }
    return TokenOrHash(required=required, clearable=clearable, kinds={kind: known[kind] for kind in kinds})


CREATE: dict[str, Field] = {
    "default_for_currency": Boolean(),
    "external_account": external_account(required=True),
    "metadata": Metadata(),
}
BANK_UPDATE: dict[str, Field] = {
    "account_holder_name": Text(),
    "account_holder_type": Text(choices=_HOLDERS, clearable=True),
    "account_type": Text(choices=("checking", "futsu", "savings", "toza")),
    "documents": Group(fields=files("bank_account_ownership_verification")),
}
CARD_UPDATE: dict[str, Field] = texts(*CARD_ADDRESS, "exp_month", "exp_year", "name")
UPDATE: dict[str, Field] = {
    **BANK_UPDATE,
    **CARD_UPDATE,
    "default_for_currency": Boolean(),
    "metadata": Metadata(clearable=True),
}
