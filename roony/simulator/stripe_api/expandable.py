"""Which fields of each object can be named in `expand[]`, as Stripe publishes them.

`REFERENCES` are ids that are replaced by the object they name. `HASHES` are parts that are already inlined: naming
them changes nothing. Both are dotted paths within one object; only those hashes are listed that may be null or absent.
"""

from __future__ import annotations

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
_FLEET = ("", ".cardholder_prompt_data", ".reported_breakdown")
_BREAKDOWN = (".reported_breakdown.fuel", ".reported_breakdown.non_fuel", ".reported_breakdown.tax")

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

HASHES: dict[str, frozenset[str]] = {
    "account": frozenset(
        {
            "business_profile",
            "capabilities",
            "company",
            "controller",
            "external_accounts",
            "future_requirements",
            "groups",
            "individual",
            "requirements",
            "settings",
            "tos_acceptance",
        }
    ),
    "bank_account": frozenset({"customer", "future_requirements", "requirements"}),
    "card": frozenset({"customer", "networks"}),
    "issuing.authorization": frozenset(
        {
            "amount_details",
            "fraud_challenges",
            "fuel",
            "pending_request",
            "pending_request.amount_details",
            "request_history.amount_details",
            "treasury",
            "verification_data.authentication_exemption",
            "verification_data.three_d_secure",
            *(f"fleet{part}" for part in (*_FLEET, *_BREAKDOWN)),
        }
    ),
    "issuing.card": frozenset(
        {
            "latest_fraud_warning",
            "lifecycle_controls",
            "shipping",
            "shipping.address_validation",
            "shipping.address_validation.normalized_address",
            "shipping.customs",
            "wallets",
        }
    ),
    "issuing.cardholder": frozenset(
        {
            "company",
            "individual",
            "individual.card_issuing",
            "individual.card_issuing.user_terms_acceptance",
            "individual.dob",
            "individual.verification",
            "individual.verification.document",
            "spending_controls",
        }
    ),
    "issuing.dispute": frozenset({"treasury", *(f"evidence.{reason}" for reason in _EVIDENCE)}),
    "issuing.personalization_design": frozenset({"carrier_text"}),
    "issuing.token": frozenset(
        {
            "network_data",
            *(f"network_data.{part}" for part in ("device", "mastercard", "visa", "wallet_provider")),
            "network_data.wallet_provider.cardholder_address",
        }
    ),
    "issuing.transaction": frozenset(
        {
            "amount_details",
            "network_data",
            "purchase_details",
            *(f"purchase_details.{part}" for part in ("flight", "flight.segments", "fuel", "lodging", "receipt")),
            *(f"purchase_details.fleet{part}" for part in (*_FLEET, *_BREAKDOWN)),
            "treasury",
        }
    ),
    "person": frozenset(
        {
            "additional_tos_acceptances",
            "address",
            "address_kana",
            "address_kanji",
            "dob",
            "future_requirements",
            "registered_address",
            "relationship",
            "requirements",
            "us_cfpb_data",
            "verification",
            "verification.additional_document",
            "verification.document",
        }
    ),
    "topup": frozenset({"payment_method", "payment_method_options", "source"}),
}
