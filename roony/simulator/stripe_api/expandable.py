"""Which fields of each object can be named in `expand[]`, as Stripe publishes them.

`REFERENCES` are ids that are replaced by the object they name. `INLINED` are objects that are always put in, `HASHES`
other parts that can be named without effect. All are dotted paths within one object. What a part of an account or a
person consists of is not listed: `DEEP` are the kinds of which only the first steps are here.
"""

from __future__ import annotations

# The secrets of a card are put in by its retrieve operation alone; anywhere else the words are passed over.
CARD_SECRETS = ("number", "cvc")
FILE = "file"  # files are named by id only: the simulator has no Files API to take them from
_EVIDENCE = (
    "canceled",
    "duplicate",
    "fraudulent",
    "merchandise_not_as_described",
    "no_valid_authorization",
    "not_received",
    "other",
    "service_not_as_described",
)
_DOCUMENT = {"verification.document.back": FILE, "verification.document.front": FILE}
_FLEET = (
    "",
    ".cardholder_prompt_data",
    ".reported_breakdown",
    ".reported_breakdown.fuel",
    ".reported_breakdown.non_fuel",
    ".reported_breakdown.tax",
)

# What a balance transaction may come from here; Stripe has more kinds of sources.
SOURCE = "source"

REFERENCES: dict[str, dict[str, str]] = {
    "account": {
        **{f"company.{path}": FILE for path in _DOCUMENT},
        "settings.branding.icon": FILE,
        "settings.branding.logo": FILE,
    },
    "balance_transaction": {"source": SOURCE},
    "bank_account": {"account": "account"},
    "capability": {"account": "account"},
    "card": {"account": "account"},
    "issuing.authorization": {"cardholder": "issuing.cardholder", "token": "issuing.token"},
    "issuing.card": {
        "personalization_design": "issuing.personalization_design",
        "replaced_by": "issuing.card",
        "replacement_for": "issuing.card",
    },
    "issuing.cardholder": {f"individual.{path}": FILE for path in _DOCUMENT},
    "issuing.dispute": {
        "transaction": "issuing.transaction",
        **{f"evidence.{reason}.additional_documentation": FILE for reason in _EVIDENCE},
        **{f"evidence.duplicate.{name}": FILE for name in ("card_statement", "cash_receipt", "check_image")},
    },
    "issuing.personalization_design": {"card_logo": FILE, "physical_bundle": "issuing.physical_bundle"},
    "issuing.token": {"card": "issuing.card"},
    "issuing.transaction": {
        "authorization": "issuing.authorization",
        "balance_transaction": "balance_transaction",
        "card": "issuing.card",
        "cardholder": "issuing.cardholder",
        "dispute": "issuing.dispute",
        "token": "issuing.token",
    },
    "person": {
        **_DOCUMENT,
        "verification.additional_document.back": FILE,
        "verification.additional_document.front": FILE,
    },
    "topup": {"balance_transaction": "balance_transaction"},
}

INLINED: dict[str, dict[str, str]] = {
    "account": {"individual": "person"},
    "issuing.authorization": {
        "balance_transactions": "balance_transaction",
        "card": "issuing.card",
        "transactions": "issuing.transaction",
    },
    "issuing.card": {"cardholder": "issuing.cardholder"},
    "issuing.dispute": {"balance_transactions": "balance_transaction"},
}

DEEP = frozenset({"account", "bank_account", "capability", "card", "person", "topup"})


def _paths(*words: str) -> frozenset[str]:
    return frozenset(path for word in words for path in word.split())


_REQUIRED = "future_requirements requirements"

HASHES: dict[str, frozenset[str]] = {
    "account": _paths(
        "business_profile capabilities company controller external_accounts groups settings tos_acceptance", _REQUIRED
    ),
    "balance_transaction": _paths("fee_details"),
    "bank_account": _paths("customer", _REQUIRED),
    "capability": _paths(_REQUIRED),
    "card": _paths("customer networks"),
    "issuing.authorization": _paths(
        "amount_details fraud_challenges fuel merchant_data network_data treasury",
        "pending_request pending_request.amount_details request_history request_history.amount_details",
        "verification_data verification_data.authentication_exemption verification_data.three_d_secure",
        *(f"fleet{part}" for part in _FLEET),
    ),
    "issuing.card": _paths(
        "latest_fraud_warning lifecycle_controls lifecycle_controls.cancel_after",
        "shipping shipping.address shipping.address_validation shipping.address_validation.normalized_address",
        "shipping.customs spending_controls spending_controls.spending_limits",
        "wallets wallets.apple_pay wallets.google_pay",
    ),
    "issuing.cardholder": _paths(
        "billing billing.address company requirements spending_controls spending_controls.spending_limits",
        "individual individual.card_issuing individual.card_issuing.user_terms_acceptance individual.dob",
        "individual.verification individual.verification.document",
    ),
    "issuing.dispute": _paths("evidence treasury", *(f"evidence.{reason}" for reason in _EVIDENCE)),
    "issuing.personalization_design": _paths("carrier_text preferences rejection_reasons"),
    "issuing.physical_bundle": _paths("features"),
    "issuing.token": _paths(
        "network_data",
        *(f"network_data.{part}" for part in ("device", "mastercard", "visa", "wallet_provider")),
        "network_data.wallet_provider.cardholder_address",
    ),
    "issuing.transaction": _paths(
        "amount_details merchant_data network_data purchase_details treasury",
        *(f"purchase_details.{part}" for part in ("flight", "flight.segments", "fuel", "lodging", "receipt")),
        *(f"purchase_details.fleet{part}" for part in _FLEET),
    ),
    "person": _paths(
        "additional_tos_acceptances address address_kana address_kanji dob registered_address relationship",
        "us_cfpb_data verification",
        _REQUIRED,
    ),
    "topup": _paths("payment_method payment_method_options source"),
}


def can_name(kind: str, steps: list[str]) -> bool:
    """Whether a name can be expanded from an object of this kind, as far as the tables go."""
    path = ""
    for step in steps:
        if kind == "issuing.card" and step in CARD_SECRETS:
            return True
        path = f"{path}.{step}" if path else step
        target = REFERENCES.get(kind, {}).get(path) or INLINED.get(kind, {}).get(path)
        if target in (FILE, SOURCE):
            return True
        if target is not None:
            kind, path = target, ""
        elif path not in HASHES.get(kind, ()):
            return kind in DEEP and path != step
    return True
