"""What the tools refuse by themselves, each time with the argument and a sentence a model can act on."""

from __future__ import annotations

from typing import Any

import pytest

from roony.mcp_server.arguments import (
    BadArgument,
    GetArguments,
    PageArguments,
    RequestArguments,
    minor_units,
    purchase_id,
    read,
    recurring,
)

WISH: dict[str, Any] = {"merchant": "Figma", "amount": "49.99", "currency": "USD", "description": "1 month"}


def refused(given: dict[str, Any]) -> tuple[str | None, str]:
    """What a request with these arguments is refused for."""
    with pytest.raises(BadArgument) as caught:
        taken(given)
    return caught.value.field, caught.value.message


def taken(given: dict[str, Any]) -> None:
    """All that is checked before Roony is asked."""
    asked = read(RequestArguments, given)
    minor_units(asked.amount, asked.currency)
    recurring(asked.repeat_every, asked.payments)


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [("49.99", "USD", 4999), ("5000", "jpy", 5000), ("1.250", "Kwd", 1250), ("9999999999.99", "usd", 999_999_999_999)],
)
def test_amounts_are_texts_in_major_units(amount: str, currency: str, units: int) -> None:
    assert minor_units(amount, currency) == (units, currency.lower())


@pytest.mark.parametrize("amount", [49.99, 4999, True, None, ["49.99"], {"value": "49.99"}, 1e400, float("nan")])
def test_an_amount_that_is_no_text_is_told_how_to_be_one(amount: Any) -> None:
    field, message = refused({**WISH, "amount": amount})
    assert (field, message) == ("amount", 'Send it as a text such as "49.99", not as a number or anything else.')


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        ("forty nine", "It must be a plain decimal number such as 49.99."),
        ("4.9e1", "It must be a plain decimal number such as 49.99."),
        ("-49.99", "It must be a plain decimal number such as 49.99."),
        ("49.999", "It has more decimal places than USD has, which is 2."),
        ("0.00", "It must be more than zero and at most 9999999999.99."),
        ("10000000000", "It must be more than zero and at most 9999999999.99."),
    ],
)
def test_an_amount_in_the_wrong_form_is_told_which_is_right(amount: str, sentence: str) -> None:
    assert refused({**WISH, "amount": amount}) == ("amount", sentence)


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"currency": "dollars"}, "currency", "String should have at most 3 characters."),
        ({"currency": "xxx"}, "currency", 'It must be an ISO 4217 currency code, such as "usd".'),
        ({"merchant": 5}, "merchant", "It must be a text."),
        ({"merchant": {"name": "Figma"}}, "merchant", "It must be a text."),
        ({"description": "x" * 1_000_000}, "description", "String should have at most 2000 characters."),
        ({"wait_seconds": 46}, "wait_seconds", "Input should be less than or equal to 45."),
        ({"wait_seconds": "45"}, "wait_seconds", "It must be a whole number."),
        ({"allow_duplicate": "yes"}, "allow_duplicate", "It must be true or false."),
        ({"approved": True}, "approved", "There is no argument of this name."),
        ({"metadata": {"a": {"b": {}}}}, "metadata.a", "It must be a text."),
        ({"repeat_every": "month"}, "payments", "repeat_every and payments go together."),
        ({"payments": 12}, "repeat_every", "repeat_every and payments go together."),
    ],
)
def test_other_arguments_are_named_when_they_are_wrong(changed: dict[str, Any], field: str, sentence: str) -> None:
    assert refused({**WISH, **changed}) == (field, sentence)


def test_what_is_missing_is_named() -> None:
    assert refused({name: text for name, text in WISH.items() if name != "description"}) == (
        "description", "It is required.",
    )  # fmt: skip


@pytest.mark.parametrize("id", ["../../admin/keys", "pur_1/card", "pur_1?wait=5", "", "pur 1", "pur_1\n", "ｐur_1"])
def test_an_id_is_an_id_and_no_path(id: str) -> None:
    with pytest.raises(BadArgument):
        purchase_id(id)


def test_what_is_left_out_has_its_default() -> None:
    assert read(RequestArguments, WISH).wait_seconds == 45
    assert read(GetArguments, {"purchase_id": "pur_1"}).wait_seconds == 0
    assert read(PageArguments, {}).limit == 20
    assert recurring(None, None) is None
    assert recurring("month", 12) == {"interval": "month", "payments": 12}
