"""The simulated world: every account, card, authorization, event and key, and what is kept of them."""

from __future__ import annotations

from typing import Any

from roony.simulator.accounts import new_account
from roony.simulator.clock import Clock
from roony.simulator.delivery_log import DeliveryLog
from roony.simulator.identifiers import new_id
from roony.simulator.keeping import StateFile
from roony.simulator.records import Collection, Record
from roony.simulator.refusals import invalid, no_such

API_VERSION = "2026-10-28.endive"
CLIENT_ID = "ca_simulator"
PUBLISHABLE_KEY = "pk_test_simulator"
_PLATFORM_NAME = "Simulated platform"
METADATA_KEYS = 50
FUNDED = 10_000_000  # minor units of its currency: what a new account finds in its Issuing balance
_INDEXES: dict[str, tuple[str, ...]] = {
    "accounts": ("every",),
    "keys": ("account",),
    "codes": (),
    "exchanges": (),
    "cardholders": ("account",),
    "cards": ("account", "cardholder"),
    "authorizations": ("account", "card", "cardholder"),
    "transactions": ("account", "card", "cardholder", "authorization"),
    "tokens": ("account", "card"),
    "challenges": ("card",),
    "disputes": ("account", "transaction"),
    "personalization_designs": ("account",),
    "balance_transactions": ("account",),
    "spending": (),
    "topups": ("account",),
    "external_accounts": ("account",),
    "persons": ("account",),
    "events": ("account", "account+type"),
    "deliveries": ("event",),
    "endpoints": ("account",),
    "ephemeral_keys": ("account",),
    "idempotency": (),
    "settings": (),
}


class World:
    """All state, in memory, with an optional file behind it. One event loop owns it: no locks."""

    def __init__(self, clock: Clock, secret_key: str, state: str | None = None) -> None:
        self.clock = clock
        self.delivery_log = DeliveryLog(clock)
        self.secret_key = secret_key
        self._file = StateFile(state) if state else None
        self._changes: set[tuple[str, str]] = set()
        self._make_collections()
        self._load()
        self._begin()

    def _make_collections(self) -> None:
        self.collections = {name: Collection(name, fields, self._changed) for name, fields in _INDEXES.items()}
        self.accounts = self.collections["accounts"]
        self.keys = self.collections["keys"]
        self.codes = self.collections["codes"]
        self.exchanges = self.collections["exchanges"]
        self.cardholders = self.collections["cardholders"]
        self.cards = self.collections["cards"]
        self.authorizations = self.collections["authorizations"]
        self.transactions = self.collections["transactions"]
        self.tokens = self.collections["tokens"]
        self.challenges = self.collections["challenges"]
        self.disputes = self.collections["disputes"]
        self.personalization_designs = self.collections["personalization_designs"]
        self.balance_transactions = self.collections["balance_transactions"]
        self.spending = self.collections["spending"]
        self.topups = self.collections["topups"]
        self.external_accounts = self.collections["external_accounts"]
        self.persons = self.collections["persons"]
        self.events = self.collections["events"]
        self.deliveries = self.collections["deliveries"]
        self.endpoints = self.collections["endpoints"]
        self.ephemeral_keys = self.collections["ephemeral_keys"]
        self.idempotency = self.collections["idempotency"]
        self.settings = self.collections["settings"]
        # Events that some endpoint has not taken: the same records as in `events`, found without a scan.
        self.unheard = Collection("unheard", ("account", "account+type"), lambda *_: None)
        self.pending: set[str] = set()  # ids of authorizations with status pending
        self.coming: set[str] = set()  # ids of top-ups with status pending

    def _changed(self, collection: str, identifier: str) -> None:
        if self._file is not None:
            self._changes.add((collection, identifier))

    def _load(self) -> None:
        if self._file is None:
            return
        for name, record in self._file.records():
            if name in self.collections:
                self.collections[name].put_back(record)
        for event in self.events:
            if event["undelivered"]:
                self.unheard.put_back(event)
        for account in self.accounts:
            account["reserved"] = {}  # what was being decided when the last process ended is not any more
        for record in self.authorizations:
            if record["body"]["status"] == "pending":
                self.pending.add(record["id"])
        self.coming = {record["id"] for record in self.topups if record["body"]["status"] == "pending"}

    def _begin(self) -> None:
        """Find the own account, or make it; its key may be another one than in the last run."""
        kept = self.settings.get("world")
        if kept is None:
            account = self.add_account(_PLATFORM_NAME, "US", "standard", connected=False)
            kept = self.settings.add({"id": "world", "account": account["id"], "offset": 0, "redirect_uris": []})
        elif kept["offset"]:
            self.clock.restore(kept["offset"])
        self.platform: str = kept["account"]
        self._add_own_keys()
        self.save()

    def _add_own_keys(self) -> None:
        for key, kind in ((self.secret_key, "secret"), (PUBLISHABLE_KEY, "publishable")):
            if self.keys.get(key) is None:
                self.add_key(key, self.platform, kind)

    @property
    def kept(self) -> Record:
        """The one record of world-wide settings."""
        return self.settings["world"]

    def save(self) -> None:
        """Write what changed since the last call to the state file, if there is one."""
        if self._file is None or not self._changes:
            return
        changes, self._changes = self._changes, set()
        self._file.write({(name, key): self.collections[name].get(key) for name, key in changes})

    def close(self) -> None:
        """Write the rest and let go of the file."""
        self.save()
        if self._file is not None:
            self._file.close()
            self._file = None

    def reset(self) -> None:
        """Forget everything but the own account's id and key, the endpoints of that account and the clock."""
        account, endpoints = self.accounts[self.platform], list(self.endpoints.where("account", self.platform))
        kept = {**self.kept, "redirect_uris": []}
        for name, collection in self.collections.items():
            for record in collection:
                self._changed(name, record["id"])
        self._make_collections()
        self.delivery_log.clear()
        fresh = self.add_account(_PLATFORM_NAME, "US", "standard", connected=False, identifier=self.platform)
        fresh["body"]["created"] = account["body"]["created"]
        self.settings.add(kept)
        self._add_own_keys()
        for endpoint in endpoints:
            self.endpoints.add(endpoint)
        self.save()

    def add_account(
        self, name: str, country: str, kind: str, *, connected: bool, identifier: str | None = None
    ) -> Record:
        """Add a business with active card issuing and 100,000.00 of its card currency to issue from."""
        account = new_account(name, country, kind, self.clock.now(), identifier)
        return self.accounts.add(
            {
                **account,
                "connected": connected,
                "installed": False,  # has the platform's Stripe App
                "scope": "read_write",
                "issuing": {account["body"]["default_currency"]: FUNDED},
                "reserved": {},
                "timeout_action": "decline",
            }
        )

    def add_key(self, key: str, account: str, kind: str, **more: Any) -> Record:
        """Add an API key (`secret`), an OAuth token (`access`, `refresh`) or another that speaks for an account.

        `more` may hold `expires` in Unix seconds, `scope`, and the `card` of an `ephemeral` key.
        """
        return self.keys.add({"id": key, "account": account, "kind": kind, **more})

    def may_act_for(self, key: Record, account: str) -> bool:
        """Whether a key may act for an account: its own, or one connected to the platform whose key it is."""
        if key["account"] == account:
            return True
        record = self.accounts.get(account)
        return key["account"] == self.platform and record is not None and bool(record["connected"])

    def find(self, collection: Collection, account: str, identifier: str, kind: str, param: str = "id") -> Record:
        """Return a record of this account, or refuse with 404."""
        record = collection.get(identifier)
        if record is None or record["account"] != account:
            raise no_such(kind, identifier, param)
        return record

    def redirect_uris(self) -> list[str]:
        """The redirect addresses registered for the platform, beside any loopback address."""
        return list(self.kept["redirect_uris"])


def new_secret() -> str:
    """Return a webhook signing secret in Stripe's spelling."""
    return new_id("whsec", 32)


def metadata_updated(old: dict[str, str], change: Any) -> dict[str, str]:
    """Return metadata after an update by the API, or refuse more keys than an object can have (facts 7.4)."""
    merged = metadata_merged(old, change)
    if len(merged) > METADATA_KEYS:
        raise invalid(f"Metadata can have at most {METADATA_KEYS} keys", "metadata")
    return merged


def metadata_merged(old: dict[str, str], change: Any) -> dict[str, str]:
    """Return metadata after an update: keys merge, an empty value removes, None removes all (facts 7.4)."""
    if change is None:
        return {}
    merged = {**old, **change}
    return {key: value for key, value in merged.items() if value != ""}
