"""From what was sent about an account or a person to what the published objects show of it.

What was sent is kept merged; secrets such as tax ids are shown only as "provided", files only where there is a place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from roony.simulator.stripe_api.person_parameters import ADDRESS_PARTS, RELATIONS

_TERMS = ("date", "ip", "user_agent")
_FILE = ("back", "details", "details_code", "front")
_DATE = ("day", "month", "year")
# How a hash is shown: its parts, null where nothing was sent.
_COMPANY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("address", "administrative_address", "physical_address"), ADDRESS_PARTS),
    "principal_place_of_business": ADDRESS_PARTS,
    **dict.fromkeys(("address_kana", "address_kanji"), (*ADDRESS_PARTS, "town")),
    **dict.fromkeys(("directorship_declaration", "ownership_declaration", "representative_declaration"), _TERMS),
    "registration_date": _DATE,
}
_PERSON: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("address", "registered_address"), ADDRESS_PARTS),
    **dict.fromkeys(("address_kana", "address_kanji"), (*ADDRESS_PARTS, "town")),
    "dob": _DATE,
}
_ALWAYS = ("address", "dob")
_NAMES = ("email", "first_name", "last_name", "phone")
_COMPANY_SECRETS = ("tax_id", "vat_id")
_PERSON_SECRETS = ("id_number", "id_number_secondary", "ssn_last_4")
_NOT_SHOWN = ("documents", "person_token", "registration_number", *_COMPANY_SECRETS, *_PERSON_SECRETS)
# Days of the schedule that go with each interval.
_ANCHORS = {"monthly": ("monthly_anchor", "monthly_payout_days"), "weekly": ("weekly_anchor", "weekly_payout_days")}


def merged(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known after an update: hashes merge, everything else is replaced; None unsets."""
    new: dict[str, Any] = json.loads(json.dumps(old))
    for key, value in change.items():
        before = new.get(key)
        new[key] = merged(before if isinstance(before, dict) else {}, value) if isinstance(value, dict) else value
    return new


def _filled(given: Mapping[str, Any] | None, parts: tuple[str, ...]) -> dict[str, Any]:
    return {part: (given or {}).get(part) for part in parts}


def _shown(given: Mapping[str, Any], hashes: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return what was sent, hashes filled up with nulls; what is unset or not to be seen is left out."""
    return {
        key: _filled(value, hashes[key]) if key in hashes else value
        for key, value in given.items()
        if value is not None and key not in _NOT_SHOWN
    }


def company_shown(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `company` of an account."""
    shown = {"name": None, "phone": None, **_shown(given, _COMPANY)}
    shown |= {f"{name}_provided": True for name in _COMPANY_SECRETS if given.get(name)}
    shown.setdefault("tax_id_provided", False)
    document = given.get("verification", {}).get("document")
    return {**shown, "verification": {"document": _filled(document, _FILE)}}


def person_shown(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person object shows, beside its id, its account and its requirements."""
    shown = {**dict.fromkeys(_NAMES), **_shown(given, _PERSON)}
    for name in _ALWAYS:
        shown[name] = _filled(given.get(name), _PERSON[name])
    relationship = dict.fromkeys(RELATIONS, False) | {"percent_ownership": None, "title": None}
    shown["relationship"] = relationship | given.get("relationship", {})
    shown |= {f"{name}_provided": bool(given.get(name)) for name in ("id_number", "ssn_last_4")}
    if given.get("id_number_secondary"):
        shown["id_number_secondary_provided"] = True
    accepted = given.get("additional_tos_acceptances", {}).get("account")
    shown["additional_tos_acceptances"] = {"account": _filled(accepted, _TERMS)}
    shown["full_name_aliases"] = given.get("full_name_aliases") or []
    shown["verification"] = _verification(given.get("verification", {}))
    if "us_cfpb_data" in given:
        shown["us_cfpb_data"] = _census(given["us_cfpb_data"])
    return shown


def _verification(given: Mapping[str, Any]) -> dict[str, Any]:
    sides = {name: _filled(given.get(name), _FILE) for name in ("additional_document", "document")}
    return {**sides, "details": None, "details_code": None, "status": "unverified"}


def _census(given: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"self_identified_gender": given.get("self_identified_gender")}
    for name in ("ethnicity", "race"):
        details = given.get(f"{name}_details")
        shown[f"{name}_details"] = _filled(details, (name, f"{name}_other")) if details is not None else None
    return shown


def profile_shown(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `business_profile` of an account after an update."""
    new = merged(old, change)
    if "support_address" in change:
        new["support_address"] = _filled(new["support_address"], ADDRESS_PARTS)
    if "minority_owned_business_designation" in change:
        new["minority_owned_business_designation"] = change["minority_owned_business_designation"] or None
    return new


def settings_shown(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `settings` of an account after an update."""
    new = merged(old, change)
    if "bacs_debit_payments" in new:
        new["bacs_debit_payments"] = _filled(new["bacs_debit_payments"], ("display_name", "service_user_number"))
    for name in ("card_issuing", "treasury"):
        if name in new:
            terms = new[name].get("tos_acceptance", {})
            shown = _filled(terms, ("date", "ip"))
            new[name] = {"tos_acceptance": shown | ({"user_agent": terms["user_agent"]} if _agent(terms) else {})}
    schedule = new["payouts"]["schedule"]
    for interval, names in _ANCHORS.items():
        for name in names:
            if interval != schedule["interval"] or not schedule.get(name):
                schedule.pop(name, None)
    invoices = new["invoices"]
    invoices["default_account_tax_ids"] = invoices["default_account_tax_ids"] or None
    if "paypay_payments" in new:
        new["paypay_payments"] = _paypay(new["paypay_payments"])
    return new


def _agent(terms: Mapping[str, Any]) -> bool:
    return terms.get("user_agent") is not None


def _paypay(given: dict[str, Any]) -> dict[str, Any]:
    if not given.get("additional_files"):
        given.pop("additional_files", None)
    site = given.get("site") or {}
    if "accessible" in site and site["accessible"] is None:
        del site["accessible"]
    if "in_development" in site:
        known = site["in_development"]
        provided = bool(known.get("password")) or bool(known.get("password_provided"))
        site["in_development"] = {"password_provided": provided, "username": known.get("username")}
    if "restricted" in site:
        site["restricted"] = _filled(site["restricted"], ("payment_flow_file",))
    return given
