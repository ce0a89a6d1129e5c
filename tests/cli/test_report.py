"""`roony report`: sums as a table, as JSON and as a file; the journal as a file that is never written over."""

from __future__ import annotations

from pathlib import Path

from tests.cli.serving import ServedSimulation
from tests.cli.test_commands import SHOP, Run, RunJson, a_shop
from tests.support.served import SOFTWARE, sdk, until


def test_spending_and_journal(served: ServedSimulation, roony: Run, roony_json: RunJson, tmp_path: Path) -> None:
    shop, ready = a_shop(), served.ready
    id = roony_json("purchase", "ask", "12.50", "--merchant", shop, *SHOP)["id"]
    [card] = [row["stripe_card_id"] for row in roony_json("card", "list")["data"] if row["purchase_id"] == id]
    helper = sdk(ready["simulator_url"], ready["stripe_secret_key"], ready["stripe_account"]).v1.test_helpers.issuing
    asked = helper.authorizations.create(
        {"card": card, "amount": 1_250, "merchant_data": {"name": shop, **SOFTWARE}}  # type: ignore[typeddict-item]
    )
    helper.authorizations.capture(asked.id)
    until(lambda: roony_json("purchase", "show", id)["status"], "settled")

    [row] = [row for row in roony_json("report", "spend", "--by", "merchant")["rows"] if row["name"] == shop]
    assert (row["spent_amount"], row["currency"], row["purchases"]) == (1_250, "usd", 1)
    [line] = [line for line in roony("report", "spend", "--by", "merchant").stdout.splitlines() if shop in line]
    assert "12.50 USD" in line
    assert "in all" in roony("report", "spend").stdout
    assert "Nothing was captured" in roony("report", "spend", "--since", "2001-01-01", "--until", "2001-01-02").stdout

    sums, journal = tmp_path / "sums.csv", tmp_path / "journal.csv"
    assert roony("report", "spend", "--by", "merchant", "--csv", str(sums)).exit_code == 0
    assert f"{shop},USD,12.50,0.00,12.50,1" in sums.read_text()
    assert roony("report", "journal", "--csv", str(journal)).exit_code == 0
    assert f"{shop},Purchases,12.50,,USD," in journal.read_text()
    again = roony("report", "journal", "--csv", str(journal))
    assert (again.exit_code, "cannot be written" in again.stderr) == (1, True)
    wrong = roony("report", "spend", "--by", "day")
    assert (wrong.exit_code, "--by is one of" in wrong.stderr) == (2, True)
