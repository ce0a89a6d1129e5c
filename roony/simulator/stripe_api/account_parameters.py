"""What may be sent about an account: the tables of create and update, as published."""

from __future__ import annotations

from typing import Any

from roony.simulator.stripe_api.external_account_parameters import external_account
from roony.simulator.stripe_api.parameters import Boolean, Field, Group, Integer, ListOf, Metadata, Text
from roony.simulator.stripe_api.person_parameters import (
    ADDRESS,
    DATE,
    DECLARATION,
    INDIVIDUAL_FIELDS,
    JAPANESE_ADDRESS,
    SIDES,
    TERMS,
    files,
    texts,
)

_PAYMENTS = """
    acss_debit affirm afterpay_clearpay alma amazon_pay au_becs_debit bacs_debit bancontact bank_transfer billie bizum
    blik blik_recurring boleto card cartes_bancaires cashapp crypto eps fpx gb_bank_transfer giropay grabpay ideal
    india_international jcb jp_bank_transfer kakao_pay klarna konbini kr_card legacy link mb_way mobilepay multibanco
    mx_bank_transfer naver_pay nz_bank_account_becs_debit oxxo p24 pay_by_bank payco paynow paypay payto pix promptpay
    revolut_pay samsung_pay satispay scalapay sepa_bank_transfer sepa_debit sequra sofort sunbit swish twint upi
    us_bank_account_ach us_bank_transfer wero zip
"""
CAPABILITIES = (
    *(f"{name}_payments" for name in _PAYMENTS.split()),
    "app_distribution",
    "card_issuing",
    "tax_reporting_us_1099_k",
    "tax_reporting_us_1099_misc",
    "transfers",
    "treasury",
)
_STRUCTURES = (
    "free_zone_establishment",
    "free_zone_llc",
    "government_instrumentality",
    "governmental_unit",
    "incorporated_non_profit",
    "incorporated_partnership",
    "limited_liability_partnership",
    "llc",
    "multi_member_llc",
    "private_company",
    "private_corporation",
    "private_partnership",
    "public_company",
    "public_corporation",
    "public_partnership",
    "registered_charity",
    "single_member_llc",
    "sole_establishment",
    "sole_proprietorship",
    "tax_exempt_government_instrumentality",
    "unincorporated_association",
    "unincorporated_non_profit",
    "unincorporated_partnership",
)
_EXEMPTIONS = ("qualified_entity_exceeds_ownership_threshold", "qualifies_as_financial_institution")
_WORKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
_MINORITIES = (
    "lgbtqi_owned_business",
    "minority_owned_business",
    "none_of_these_apply",
    "prefer_not_to_answer",
    "women_owned_business",
)
# What `delay_days` = minimum stands for: two days, as in the United States.
_SHORTEST_DELAY = 2


class _DelayDays(Integer):
    """A number of days, or the word minimum."""

    def typed(self, value: Any, name: str) -> int:
        """Read the word as the shortest delay."""
        return _SHORTEST_DELAY if value == "minimum" else super().typed(value, name)


def _money(**more: Field) -> Group:
    return Group(fields={"amount": Integer(required=True, least=0), "currency": Text(required=True), **more})


_PROFILE = Group(
    fields={
        "annual_revenue": _money(fiscal_year_end=Text(required=True)),
        "estimated_worker_count": Integer(least=0),
        "mcc": Text(),
        "minority_owned_business_designation": ListOf(item=Text(choices=_MINORITIES)),
        "monthly_estimated_revenue": _money(),
        "product_description": Text(),
        "specified_commercial_transactions_act_url": Text(clearable=True),
        "support_address": ADDRESS,
        "support_url": Text(clearable=True),
        **texts("name", "support_email", "support_phone", "url"),
    }
)
_COMPANY = Group(
    fields={
        **dict.fromkeys(("address", "administrative_address", "physical_address"), ADDRESS),
        "principal_place_of_business": ADDRESS,
        "address_kana": JAPANESE_ADDRESS,
        "address_kanji": JAPANESE_ADDRESS,
        **{name: Boolean() for name in ("directors_provided", "executives_provided", "owners_provided")},
        "directorship_declaration": DECLARATION,
        "ownership_declaration": DECLARATION,
        "representative_declaration": DECLARATION,
        "ownership_exemption_reason": Text(choices=_EXEMPTIONS, clearable=True),
        "registration_date": DATE,
        "structure": Text(choices=_STRUCTURES, clearable=True),
        "verification": Group(fields={"document": SIDES}),
        **texts("export_license_id", "export_purpose_code", "name", "name_kana", "name_kanji", "phone"),
        **texts("registration_number", "tax_id", "tax_id_registrar", "vat_id"),
    }
)
_SCHEDULE = Group(
    fields={
        "delay_days": _DelayDays(least=0, most=31),
        "interval": Text(choices=("daily", "manual", "monthly", "weekly")),
        "monthly_anchor": Integer(least=1, most=31),
        "monthly_payout_days": ListOf(item=Integer(least=1, most=31)),
        "weekly_anchor": Text(choices=(*_WORKDAYS, "saturday", "sunday")),
        "weekly_payout_days": ListOf(item=Text(choices=_WORKDAYS)),
    }
)
_CARD_PAYMENTS = Group(
    fields={
        "decline_on": Group(fields={"avs_failure": Boolean(), "cvc_failure": Boolean()}),
        "statement_descriptor_prefix": Text(),
        "statement_descriptor_prefix_kana": Text(clearable=True),
        "statement_descriptor_prefix_kanji": Text(clearable=True),
    }
)
_PAYPAY = Group(
    fields={
        "additional_files": ListOf(item=Text()),
        "goods_type": Text(choices=("digital_content", "other")),
        "site": Group(
            fields={
                "accessible": Metadata(),
                "in_development": Group(fields={"password": Text(required=True), "username": Text()}),
                "restricted": Group(fields=texts("payment_flow_file")),
                "type": Text(choices=("accessible", "in_development", "restricted")),
            }
        ),
    }
)


def _settings(**invoices: Field) -> Group:
    saving = Text(choices=("always", "never", "offer"))
    return Group(
        fields={
            "bacs_debit_payments": Group(fields=texts("display_name")),
            "branding": Group(fields=texts("icon", "logo", "primary_color", "secondary_color")),
            "card_issuing": Group(fields={"tos_acceptance": TERMS}),
            "card_payments": _CARD_PAYMENTS,
            "invoices": Group(fields={"hosted_payment_method_save": saving, **invoices}),
            "payments": Group(
                fields={
                    **texts("statement_descriptor", "statement_descriptor_kana"),
                    **texts("statement_descriptor_kanji"),
                }
            ),
            "payouts": Group(
                fields={
                    "debit_negative_balances": Boolean(),
                    "schedule": _SCHEDULE,
                    "statement_descriptor": Text(),
                }
            ),
            "paypay_payments": _PAYPAY,
            "sepa_debit_payments": Group(fields=texts("creditor_id")),
            "treasury": Group(fields={"tos_acceptance": TERMS}),
        }
    )


_DOCUMENTS = files(
    "bank_account_ownership_verification",
    "company_license",
    "company_memorandum_of_association",
    "company_ministerial_decree",
    "company_registration_verification",
    "company_tax_id_verification",
    "proof_of_address",
    "proof_of_business_presence",
)
_SIGNED = Group(fields={"files": ListOf(item=Text()), "signer": Group(fields=texts("person"))})
_OWNERS: dict[str, Field] = {"proof_of_ultimate_beneficial_ownership": _SIGNED}
_REGISTRATION: dict[str, Field] = {"proof_of_registration": _SIGNED}
_CONTROLLER = Group(
    fields={
        "fees": Group(fields={"payer": Text(choices=("account", "application"))}),
        "losses": Group(fields={"payments": Text(choices=("application", "stripe"))}),
        "requirement_collection": Text(choices=("application", "stripe")),
        "stripe_dashboard": Group(fields={"type": Text(choices=("express", "full", "none"))}),
    }
)
_COMMON: dict[str, Field] = {
    "account_token": Text(),
    "business_profile": _PROFILE,
    "business_type": Text(choices=("company", "government_entity", "individual", "non_profit")),
    "capabilities": Group(fields={name: Group(fields={"requested": Boolean()}) for name in CAPABILITIES}),
    "company": _COMPANY,
    "default_currency": Text(),
    "email": Text(),
    "groups": Group(fields={"payments_pricing": Text(clearable=True)}),
    "individual": Group(fields=INDIVIDUAL_FIELDS),
    "metadata": Metadata(),
    "tos_acceptance": Group(fields={"date": Integer(least=0), **texts("ip", "service_agreement", "user_agent")}),
}
CREATE: dict[str, Field] = {
    **_COMMON,
    "controller": _CONTROLLER,
    "country": Text(),
    "documents": Group(fields={**_DOCUMENTS, **_OWNERS}),
    "external_account": external_account(kinds=("bank_account",), currency_required=True),
    "settings": _settings(),
    "type": Text(choices=("custom", "express", "standard")),
}
UPDATE: dict[str, Field] = {
    **_COMMON,
    "documents": Group(fields={**_DOCUMENTS, **_REGISTRATION, **_OWNERS}),
    "external_account": external_account(clearable=True, default=True),
    "settings": _settings(default_account_tax_ids=ListOf(item=Text())),
}
