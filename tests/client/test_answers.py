"""The client's types are those of the API: a field that the server adds or drops is noticed here."""

from __future__ import annotations

from typing import Any, get_type_hints, is_typeddict

import pytest
from pydantic import BaseModel

from roony.client import answers
from roony.web import schemas, shapes

PAIRS: list[tuple[Any, type[BaseModel]]] = [
    (answers.Purchase, shapes.PurchaseAnswer),
    (answers.PurchaseCard, shapes.PurchaseCard),
    (answers.PurchaseApproval, shapes.PurchaseApproval),
    (answers.ActionRequired, shapes.ActionRequiredShape),
    (answers.Receipt, shapes.ReceiptAnswer),
    (answers.Mandate, shapes.MandateShape),
    (answers.Decision, shapes.DecisionShape),
    (answers.Reason, shapes.ReasonShape),
    (answers.Preview, shapes.PreviewAnswer),
    (answers.RawCard, shapes.RawCard),
    (answers.SealedCard, shapes.SealedCard),
    (answers.RevealedCard, shapes.RevealedCard),
    (answers.Budget, shapes.BudgetAnswer),
    (answers.Rule, shapes.RuleAnswer),
    (answers.Level, shapes.LevelShape),
    (answers.MergedRule, shapes.MergedRule),
    (answers.BudgetLeft, shapes.BudgetLeft),
    (answers.SpendingControls, shapes.RuleList),
    (answers.Transaction, shapes.TransactionAnswer),
    (answers.Merchant, schemas.MerchantBody),
    (answers.Recurring, schemas.RecurringBody),
]
# Made by the client, not sent as such.
OWN = {"RequestedPurchase", "OpenedCard", "Notice", "Page"}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[ours.__name__ for ours, _ in PAIRS])
def test_a_type_has_the_fields_of_its_shape(ours: Any, theirs: type[BaseModel]) -> None:
    assert get_type_hints(ours).keys() == theirs.model_fields.keys()
    optional = {name for name, field in theirs.model_fields.items() if not field.is_required()}
    assert ours.__optional_keys__ == optional


def test_every_type_is_compared() -> None:
    types = {name for name, made in vars(answers).items() if is_typeddict(made) and made.__module__ == answers.__name__}
    assert types - OWN == {ours.__name__ for ours, _ in PAIRS}
