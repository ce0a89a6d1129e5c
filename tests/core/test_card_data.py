"""Card data and keys in what others send: gone, whatever is around them, and everything else stays as it was."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.card_data import (
    card_numbers_in,
    is_card_number,
    named_without_secrets,
    without_card_data,
    without_card_numbers,
    without_keys,
    without_secrets,
)

PANS = ["4000009990000278", "5555555555554444", "378282246310005", "6011111111111117", "4222222222222",
        "6304000000000000000"]  # fmt: skip
STARS = {pan: "*" * len(pan) for pan in PANS}
TEXT = st.text(st.characters(exclude_categories=["Nd", "Cs"]), max_size=30)
NAMES = st.sampled_from(["name", "description", "order", "note", "a"])
SEPARATORS = st.sampled_from(["", " ", "-"])


def luhn(digits: str) -> str:
    """The digits with the check digit behind them."""
    return next(digits + end for end in "0123456789" if is_card_number(digits + end))


PAN = st.one_of(
    st.sampled_from(PANS), st.text("0123456789", min_size=12, max_size=18).map(lambda rest: luhn(f"4{rest}"[:18]))
)


def grouped(pan: str, separator: str) -> str:
    """As it stands on a card."""
    return separator.join(pan[start : start + 4] for start in range(0, len(pan), 4))


def of_json(value: Any, **how: Any) -> Any:
    """What is left of a value."""
    return json.loads(without_card_data(json.dumps(value, **how).encode()))


@given(PAN, SEPARATORS, TEXT, TEXT, NAMES, st.booleans(), st.booleans())
def test_a_number_in_a_text_is_gone(
    pan: str, separator: str, before: str, after: str, name: str, ascii_only: bool, pretty: bool
) -> None:
    """Alone or in the middle, in groups or not, as a value, in a list, as a name; what is around it stays."""
    written = grouped(pan, separator)
    text = f"{before}x{written}x{after}"
    how: dict[str, Any] = {"ensure_ascii": ascii_only, "indent": 2 if pretty else None}
    hidden = text.replace(written, "".join("*" if letter.isdigit() else letter for letter in written))
    for value, left in (
        ({name: text, "amount": 12999}, {name: hidden, "amount": 12999}),
        ({name: [1, text]}, {name: [1, hidden]}),
        ({"data": {"object": {name: {"deep": [text]}}}}, {"data": {"object": {name: {"deep": [hidden]}}}}),
        ({text: 1, "b": 2}, {hidden: 1, "b": 2}),
    ):
        assert of_json(value, **how) == left
    assert pan not in without_card_data(json.dumps({name: text}, **how).encode()).decode()


@given(PAN, st.sampled_from(["id", "network_id", "transaction_id", "acquiring_institution_id", "terminal_id"]))
def test_ids_and_numbers_stay(pan: str, name: str) -> None:
    """Networks number merchants and payments, and amounts and times are numbers."""
    for value in ({name: pan}, {"amount": int(pan)}, {"values": [int(pan), -int(pan)]}, {name: f"{pan}", "x": 1}):
        body = json.dumps(value).encode()
        assert without_card_data(body) is body or without_card_data(body) == body


@pytest.mark.parametrize("spaces", [",:", ", : "])
def test_what_is_named_for_card_data_is_gone(spaces: str) -> None:
    """Whatever its check digit."""
    value = {"number": "4000009990000279", "cvc": "731", "exp_month": 7, "card": {"cvv": 42, "last4": "0279"}}
    separators = (",", ":") if spaces == ",:" else (", ", ": ")
    left = {"number": None, "cvc": None, "exp_month": 7, "card": {"cvv": 42, "last4": "0279"}}
    assert of_json(value, separators=separators) == left
    assert of_json({"cvc": 731, "number": 4000009990000278}) == {"cvc": None, "number": None}
    for name, said in (("number", "4000 0099 9000 0279"), ("card_number", 400000999000), ("cvc", "731"), ("cvv", 7310)):
        # Compact as well as with spaces, and with nothing beside it that would be found first.
        for how in ({"separators": (",", ":")}, {}, {"indent": 2}):
            assert of_json({name: said}, **how) == {name: None}


@pytest.mark.parametrize(
    "value",
    [
        {"number": 12, "phone_number": "+18665797172", "audit_number": "123456"},
        {"cvc": "match", "cvc_check": "match", "number": "INV-4000"},
        {"name": "4000009990000279", "time": 1793000000000000, "at": "2026-11-23T07:34:15.669996Z"},
        {"created": [1796000000] * 40, "text": "1796000000 1796000000"},
        {"a": "port 8000 8001 8002 8003", "b": "0" * 400, "c": "1" * 19},
    ],
)
def test_the_rest_stays(value: Any) -> None:
    body = json.dumps(value).encode()
    assert without_card_data(body) is body or without_card_data(body) == body
    assert without_keys(body) is body


@pytest.mark.parametrize("quote", ['say \\"{}', "\\\\{}", "\\u0022{}", "a: {}", "a, {}", "[{}", "{{{}"])
def test_quotes_in_a_text_hide_nothing(quote: str) -> None:
    body = ('{"m": "' + quote.format(PANS[0]) + ' end", "n": 1}').encode()
    left = json.loads(without_card_data(body))
    assert left == json.loads(body.replace(PANS[0].encode(), STARS[PANS[0]].encode()))


@pytest.mark.parametrize("between", ["x ", '\\"', '", "', '", 7, "'])
def test_many_numbers_and_quotation_marks_are_gone_through_once(between: str) -> None:
    """A body as long as the door takes. Gone through again for each number, the second one would take many minutes."""
    for count in (3, 40_000):
        text = f'["{between.join([PANS[0]] * count)}"]'.encode()
        left = without_card_data(text)
        assert len(left) == len(text)
        assert PANS[0].encode() not in left


def test_keys_in_a_text_are_gone() -> None:
    secrets = ["sk_test_51HxxPretend", "rk_live_51HxxPretend", "whsec_0123456789abcdef", f"roony_agent_{'0a' * 24}",
               f"roony_admin_{'0a' * 24}", f"roony_session_{'0a' * 24}"]  # fmt: skip
    for secret in secrets:
        body = json.dumps({"description": f"use {secret} now", "metadata": {"roony_purchase": "pur_1"}}).encode()
        left = json.loads(without_keys(body))
        assert left == {"description": f"use {'*' * len(secret)} now", "metadata": {"roony_purchase": "pur_1"}}


@given(st.binary(max_size=400))
def test_any_bytes_are_read(body: bytes) -> None:
    assert without_card_data(without_card_data(body)) == without_card_data(body)
    assert len(without_keys(body)) == len(body)


@given(PAN, SEPARATORS, st.text(max_size=30), st.text(max_size=30))
def test_a_text_is_starred_as_an_event_is(pan: str, separator: str, before: str, after: str) -> None:
    """Else the name of a merchant would be another in what an agent asks for than in what Stripe says of it."""
    text = f"{before}{grouped(pan, separator)}{after}"
    assert without_card_numbers(text) == of_json({"name": text}, ensure_ascii=False)["name"]


@given(st.lists(st.sampled_from([*"0123456789", "4242", "4000009990000278"]), min_size=1, max_size=40), st.data())
def test_numbers_are_whole_groups_and_as_long_as_can_be(groups: list[str], data: st.DataObject) -> None:
    """From each group on all that follow are tried, as the rule says it."""
    run = "".join(group + data.draw(SEPARATORS) for group in groups[:-1]) + groups[-1]
    found = [(one.start(), one.end()) for one in re.finditer("[0-9]+", run)]
    expected, first = [], 0
    while first < len(found):
        start = found[first][0]
        ends = [end for _, end in found[first:] if is_card_number(re.sub("[ -]", "", run[start:end]))]
        expected += [(start, max(ends))] if ends else []
        first = (
            next((at for at, one in enumerate(found) if ends and one[0] >= max(ends)), len(found))
            if ends
            else first + 1
        )
    assert list(card_numbers_in(run)) == expected


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("4000009990000278 and 5555-5555-5555-4444", "**************** and ****-****-****-****"),
        ('{"cvc": "731"}, CVV2=0042, cvc 731', '{"cvc": "***"}, CVV2=****, cvc ***'),
        ("whsec_0123456789abcdef, sk_test_51Hxx", "**********************, *************"),
        ("cvc is checked 731 times, order 4000009990000279", "cvc is checked 731 times, order 4000009990000279"),
        ("\uff14\uff10 seats \u0664", "\uff14\uff10 seats \u0664"),
    ],
)
def test_what_is_written_is_kept_without_secrets(text: str, left: str) -> None:
    assert without_secrets(text) == left


def test_a_name_makes_digits_a_number_or_a_cvc() -> None:
    """As in an event; under another name three digits are three digits."""
    given = {"number": "4000 0099 9000 0279", "cvc": "731", "cvv": "7 3 1", "seats": "731", "card_number": "12"}
    assert named_without_secrets(given) == {**given, "number": "*" * 19, "cvc": "***"}
