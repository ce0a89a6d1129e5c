"""What an account has to be like for Roony to buy on it: one check each, with what is missing and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from roony.core.confirmation import OTHER_CARDS, REALTIME_URL, TIMEOUT_DECLINES, Confirmation, is_contradicted
from roony.core.connection import NEXT, Connection, restrictions_of
from roony.core.money import format_amount

OK, WARNING, MISSING, UNKNOWN = "ok", "warning", "missing", "unknown"
# Asked live and never sent to an endpoint that selects `*` (facts 2.2).
REALTIME = "issuing_authorization.request"
# Restrictions that a check of their own tells of.
SHOWN_BELOW = frozenset(
    {"capability_inactive", "realtime_url_contradicted", "timeout_action_contradicted", "other_cards_undecided"}
)


class Preflight(NamedTuple):
    """The last checks of one kind (`preflight` or `probe`) of a connection: who asked for them, and when.

    `checks` is a JSON list of `Check`.
    """

    organization_id: str
    connection_id: str
    kind: str
    checks: str
    checked_by: str
    checked_at: int


class Check(NamedTuple):
    """One check. `ok`, `warning` (it works, but look), `missing` (it does not work) or `unknown` (nobody can say)."""

    id: str
    status: str
    message: str
    next: str | None = None


def checks_of(row: Preflight) -> list[Check]:
    """The checks of a row that was kept."""
    return [Check(**item) for item in json.loads(row.checks)]


def to_json(checks: list[Check]) -> str:
    """As they are kept."""
    return json.dumps([check._asdict() for check in checks])


def summary(checks: list[Check]) -> str:
    """One sentence for people: what is missing, else what to look at, else that all is well."""
    for status, words in ((MISSING, "Still missing"), (UNKNOWN, "Not sure yet"), (WARNING, "Look at")):
        found = [check for check in checks if check.status == status]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            return f"{words}: {found[0].message}{more}"
    return "Everything Roony needs of the account is there."


class Facts(NamedTuple):
    """What a preflight looked at. None, or words in place of a fact, is what could not be seen.

    `balance` in minor units; `endpoints` are Stripe's webhook endpoints of the account and of the platform; `other` is
    the number of active cards that Roony did not make, `more` that there are more than that.
    """

    connection: Connection
    key_livemode: bool
    public_url: str
    webhook_url: str
    version: str
    needed: frozenset[str]
    refused: str | None
    balance: int | str | None
    threshold: int
    endpoints: Sequence[Mapping[str, Any]] | str
    other: int | str
    more: bool
    confirmations: Mapping[str, Confirmation]
    cardholder: Check


def look(facts: Facts) -> list[Check]:
    """Every check of an account, in the order in which they are to be mended."""
    restricted = [
        Check(item.code, MISSING, item.message, NEXT.get(item.code))
        for item in restrictions_of(facts.connection)
        if facts.connection.status == "restricted" and item.code not in SHOWN_BELOW
    ]
    return [
        *_access(facts), *restricted, _mode(facts), _capability(facts), _balance(facts), facts.cardholder,
        *_endpoints(facts), *_confirmed(facts), _other_cards(facts), _public_url(facts),
    ]  # fmt: skip


def _access(facts: Facts) -> list[Check]:
    if facts.refused is None:
        return [Check("stripe_access", OK, "Stripe lets Roony act for the account.")]
    words = f"Stripe could not be asked about the account: {facts.refused}"
    return [Check("stripe_access", UNKNOWN, words, "Try again in a moment: roony connection preflight.")]


def _mode(facts: Facts) -> Check:
    if bool(facts.connection.livemode) == facts.key_livemode:
        return Check("livemode", OK, "Key and account are in the same mode.")
    words = "The Stripe key is of the other mode (test or live) than the account."
    return Check("livemode", MISSING, words, "Set the key of the account's mode in STRIPE_SECRET_KEY, start again.")


def _capability(facts: Facts) -> Check:
    told = facts.connection.card_issuing
    if told == "active":
        return Check("issuing_capability", OK, "The account may issue cards.")
    if told is None:
        words = "The account does not say whether it may issue cards."
        return Check("issuing_capability", UNKNOWN, words, "See in the Stripe Dashboard that Issuing is active.")
    words = f"The Issuing capability (card_issuing) of the account is {told}."
    return Check("issuing_capability", MISSING, words, NEXT["capability_inactive"])


def _balance(facts: Facts) -> Check:
    currency, add = facts.connection.currency, "Add funds to the Issuing balance in the Stripe Dashboard."
    if isinstance(facts.balance, str):
        words = f"The Issuing balance cannot be read: {facts.balance}"
        return Check("issuing_balance", UNKNOWN, words, "Give the key, or the app, the permission to read balances.")
    if facts.balance is None:
        return Check("issuing_balance", WARNING, f"The account has no Issuing balance in {currency} yet.", add)
    said = format_amount(facts.balance, currency)
    if facts.balance <= facts.threshold:
        limit = format_amount(facts.threshold, currency)
        return Check("issuing_balance", WARNING, f"The Issuing balance is {said}, no more than {limit}.", add)
    return Check("issuing_balance", OK, f"The Issuing balance is {said}.")


_NOT_REACHED = (
    ", once ROONY_PUBLIC_URL is an address that Stripe reaches. Until then `stripe listen` brings the events."
)


def _endpoints(facts: Facts) -> list[Check]:
    """Where events go: our address, switched on, in our version, with every event, the real-time one named itself."""
    set_up = f"roony connection setup-webhooks {facts.connection.id}"
    if isinstance(facts.endpoints, str):
        words = f"The webhook endpoints cannot be read: {facts.endpoints}"
        see = f"See in the Stripe Dashboard that {facts.webhook_url} is one."
        return [Check("webhook_endpoint", UNKNOWN, words, see)]
    ours = [one for one in facts.endpoints if _address(one) == facts.webhook_url]
    enabled = [one for one in ours if one.get("status") == "enabled"]
    if not enabled:
        words = "is switched off" if ours else "does not exist"
        # Stripe's own program brings events to a machine that Stripe cannot reach, without an endpoint.
        after = set_up if facts.public_url.startswith("https://") else f"{set_up}{_NOT_REACHED}"
        return [Check("webhook_endpoint", MISSING, f"The webhook endpoint {facts.webhook_url} {words}.", after)]
    selected = {kind for one in enabled for kind in one.get("enabled_events") or ()}
    checks = [Check("webhook_endpoint", OK, f"Stripe sends events to {facts.webhook_url}.")]
    absent = sorted(facts.needed - selected - {REALTIME}) if "*" not in selected else []
    if absent:
        checks.append(Check("webhook_events", MISSING, f"Events that are not sent: {', '.join(absent)}.", set_up))
    else:
        checks.append(Check("webhook_events", OK, "Every event Roony needs is sent."))
    if REALTIME in selected:
        checks.append(Check("realtime_event", OK, f"{REALTIME} is selected."))
    else:
        words = f"{REALTIME} is not selected; * leaves it out."
        checks.append(Check("realtime_event", MISSING, words, set_up))
    checks.append(_version(enabled, facts.version, set_up))
    current = {id for id, (_, until) in json.loads(facts.connection.webhooks).items() if until is None}
    for one in enabled:
        if _names(one, facts.connection.id) and one.get("id") not in current:
            words = f"Roony does not know the secret of the endpoint {one.get('id')}: its events are refused."
            checks.append(Check("webhook_secret", MISSING, words, set_up))
    return checks


def _names(endpoint: Mapping[str, Any], connection_id: str) -> bool:
    """True for an endpoint that Roony made for the connection; its secret is one of its own."""
    return str(endpoint.get("url", "")).partition("?")[2] == f"connection={connection_id}"


def _address(endpoint: Mapping[str, Any]) -> str:
    return str(endpoint.get("url", "")).partition("?")[0].rstrip("/")


def _version(enabled: Sequence[Mapping[str, Any]], wanted: str, set_up: str) -> Check:
    """An endpoint's version is chosen when it is made: beside one of ours another goes on in its own."""
    pinned = {one.get("api_version") for one in enabled}
    if pinned == {wanted}:
        return Check("webhook_version", OK, f"Events come in version {wanted}.")
    which, after = "Events", set_up
    if wanted in pinned:
        ids = ", ".join(str(one.get("id")) for one in enabled if one.get("api_version") != wanted)
        which = "Some events"
        after = f"At Stripe, make {ids} anew in version {wanted}, or delete it where Roony's own endpoint is enough."
    others = sorted(str(version) for version in pinned - {wanted, None})
    if others:
        words = f"{which} come in version {', '.join(others)}, Roony reads {wanted}."
        return Check("webhook_version", MISSING, words, after)
    words = f"{which} come in the account's default version; Roony reads {wanted}."
    return Check("webhook_version", WARNING, words, after)


_TO_CONFIRM = {
    REALTIME_URL: ("Roony's address is the real-time authorization URL", "--realtime-url"),
    TIMEOUT_DECLINES: ("the timeout action is decline", "--timeout-declines"),
}


def _confirmed(facts: Facts) -> list[Check]:
    """What no API shows (facts 2.2): confirmed by the owner, or contradicted by what Stripe reported since."""
    checks = []
    for name, (words, option) in _TO_CONFIRM.items():
        row = facts.confirmations.get(name)
        after = f"roony connection confirm {facts.connection.id} {option}"
        if row is not None and is_contradicted(row):
            told = f"{row.evidence} shows that this is not so: {words}."
            checks.append(Check(name, MISSING, told, f"Set it in the account's Issuing settings, then: {after}"))
        elif row is not None and row.confirmed_by is not None:
            checks.append(Check(name, OK, f"Confirmed by {row.confirmed_by}: {words}."))
        else:
            told = f"Nobody has confirmed it, and no API of Stripe's shows it: {words}."
            checks.append(Check(name, UNKNOWN, told, f"See it in the account's Issuing settings, then: {after}"))
    return checks


def _other_cards(facts: Facts) -> Check:
    if isinstance(facts.other, str):
        words = f"The account's cards could not be counted: {facts.other}"
        return Check("other_cards", UNKNOWN, words, "Try again in a moment: roony connection preflight.")
    if not facts.other:
        words = "Every active card that was looked at was made by Roony." if facts.more else "No other active cards."
        return Check("other_cards", OK, words)
    number = f"more than {facts.other}" if facts.more else str(facts.other)
    words = f"Active cards that Roony did not make: {number}."
    chosen = facts.confirmations.get(OTHER_CARDS)
    if chosen is not None:
        return Check("other_cards", OK, f"{words} Payments with them: {chosen.value}, chosen by {chosen.confirmed_by}.")
    return Check("other_cards", MISSING, words, NEXT["other_cards_undecided"])


def _public_url(facts: Facts) -> Check:
    if facts.public_url.startswith("https://"):
        return Check("public_url", OK, "Roony's public address is https.")
    words = f"Roony's public address is not https: {facts.public_url}"
    if facts.connection.livemode:
        return Check("public_url", MISSING, words, "Set ROONY_PUBLIC_URL to an https address that leads here.")
    return Check("public_url", WARNING, words, "Good for trying out; live mode needs ROONY_PUBLIC_URL with https.")
