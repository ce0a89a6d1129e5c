"""`roony approval`: a person's yes or no."""

from __future__ import annotations

import typer

from roony.cli.output import JsonOption, money, print_json, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Purchases that wait for a person.", no_args_is_help=True)

_APPROVALS = "/api/v1/admin/approvals"


@app.command("list")
def list_approvals(
    status: str | None = typer.Option("pending", help="pending, approved, denied, expired or all."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List what waits for a decision, with what the approver should see."""
    answer = owner(url).get(_APPROVALS, cursor=cursor, status=None if status == "all" else status)
    if not as_json:
        for row in answer["data"]:
            seen = row["snapshot"]
            row |= {
                "amount": money(seen["amount"], seen["currency"]), "merchant": seen["merchant"]["name"],
                "agent": seen["agent"] or "", "why": ", ".join(reason["code"] for reason in seen["reasons"]),
            }  # fmt: skip
    columns = ("id", "status", "amount", "merchant", "agent", "why", "expires_at")
    print_list(answer, columns, as_json, "Nothing waits for a decision.")


@app.command()
def approve(
    approval_id: str = typer.Argument(help="apr_…"),
    note: str = typer.Option("", help="Why."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Say yes. All rules and budgets are looked at once more, as they are now."""
    answer = owner(url).post(f"{_APPROVALS}/{approval_id}/approve", {"note": note})
    print_json(answer) if as_json else print_one(_short(answer), False)


@app.command()
def deny(
    approval_id: str = typer.Argument(help="apr_…"),
    note: str = typer.Option("", help="Why."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Say no. The budget is free again."""
    answer = owner(url).post(f"{_APPROVALS}/{approval_id}/deny", {"note": note})
    print_json(answer) if as_json else print_one(_short(answer), False)


def _short(answer: dict[str, object]) -> dict[str, object]:
    return {name: answer[name] for name in ("id", "purchase_id", "status", "amount", "currency") if name in answer}
