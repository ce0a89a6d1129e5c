"""What may be sent about a person, and the groups that accounts share with it: addresses, files, dates, terms."""

from __future__ import annotations

from roony.simulator.stripe_api.parameters import Boolean, Field, Group, Integer, ListOf, Metadata, Text


def texts(*names: str) -> dict[str, Field]:
    """Return plain optional strings by name."""
    return {name: Text() for name in names}


def files(*names: str) -> dict[str, Field]:
    """Return groups of file ids by name; there is no files API here, so the ids are taken as they come."""
    return {name: Group(fields={"files": ListOf(item=Text())}) for name in names}


ADDRESS_PARTS = ("city", "country", "line1", "line2", "postal_code", "state")
ADDRESS = Group(fields=texts(*ADDRESS_PARTS))
JAPANESE_ADDRESS = Group(fields=texts(*ADDRESS_PARTS, "town"))
DATE = Group(
    clearable=True,
    fields={
        "day": Integer(required=True, least=1, most=31),
        "month": Integer(required=True, least=1, most=12),
        "year": Integer(required=True, least=1000, most=9999),
    },
)
# Who accepted terms, when and from where; the last may be unset in some places and not in others.
TERMS = Group(fields={"date": Integer(least=0), **texts("ip"), "user_agent": Text(clearable=True)})
DECLARATION = Group(fields={"date": Integer(least=0), **texts("ip", "user_agent")})
SIDES = Group(fields=texts("back", "front"))
RELATIONS = ("authorizer", "director", "executive", "legal_guardian", "owner", "representative")
_SHARE: dict[str, Field] = {
    "percent_ownership": Integer(clearable=True, least=0, most=100),
    "title": Text(),
}

# What both `individual` of an account and a person of its own have.
INDIVIDUAL_FIELDS: dict[str, Field] = {
    **texts(
        "email",
        "first_name",
        "first_name_kana",
        "first_name_kanji",
        "gender",
        "id_number",
        "id_number_secondary",
        "last_name",
        "last_name_kana",
        "last_name_kanji",
        "maiden_name",
        "phone",
    ),
    "address": ADDRESS,
    "address_kana": JAPANESE_ADDRESS,
    "address_kanji": JAPANESE_ADDRESS,
    "dob": DATE,
    "full_name_aliases": ListOf(item=Text()),
    "metadata": Metadata(),
    "political_exposure": Text(choices=("existing", "none")),
    "registered_address": ADDRESS,
    "relationship": Group(fields={**{name: Boolean() for name in ("director", "executive", "owner")}, **_SHARE}),
    "ssn_last_4": Text(),
    "verification": Group(fields={"additional_document": SIDES, "document": SIDES}),
}
_ETHNICITIES = (
    "cuban",
    "hispanic_or_latino",
    "mexican",
    "not_hispanic_or_latino",
    "other_hispanic_or_latino",
    "prefer_not_to_answer",
    "puerto_rican",
)
_RACES = (
    "african_american",
    "american_indian_or_alaska_native",
    "asian",
    "asian_indian",
    "black_or_african_american",
    "chinese",
    "ethiopian",
    "filipino",
    "guamanian_or_chamorro",
    "haitian",
    "jamaican",
    "japanese",
    "korean",
    "native_hawaiian",
    "native_hawaiian_or_other_pacific_islander",
    "nigerian",
    "other_asian",
    "other_black_or_african_american",
    "other_pacific_islander",
    "prefer_not_to_answer",
    "samoan",
    "somali",
    "vietnamese",
    "white",
)
_CENSUS = Group(
    fields={
        "ethnicity_details": Group(
            fields={"ethnicity": ListOf(item=Text(choices=_ETHNICITIES)), **texts("ethnicity_other")}
        ),
        "race_details": Group(fields={"race": ListOf(item=Text(choices=_RACES)), **texts("race_other")}),
        **texts("self_identified_gender"),
    }
)
PERSON_FIELDS: dict[str, Field] = {
    **INDIVIDUAL_FIELDS,
    "additional_tos_acceptances": Group(fields={"account": TERMS}),
    "documents": Group(fields=files("company_authorization", "passport", "visa")),
    "nationality": Text(),
    "person_token": Text(),
    "relationship": Group(fields={**{name: Boolean() for name in RELATIONS}, **_SHARE}),
    "us_cfpb_data": _CENSUS,
}
PERSON_FILTER = Group(fields={name: Boolean() for name in RELATIONS})
