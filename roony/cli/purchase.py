"""`roony purchase`: what an agent does, with its own key."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.amounts import minor_units
from roony.cli.output import DECLINED, DONE, FAILED, WAITING, JsonOption, money, print_json, print_list, print_one
from roony.cli.remote import UrlOption, agent

app = typer.Typer(help="Ask for purchases, as an agent (ROONY_AGENT_KEY).", no_args_is_help=True)

_PATH = "/api/v1/purchase_intents"
_CODES = {"ready": DONE, "authorized": DONE, "settled": DONE, "awaiting_approval": WAITING, "issuing": WAITING,
          "declined": DECLINED}  # fmt: skip
_NEXT = {
    "ready": "Next: roony purchase card {id}",
    "issuing": "The card is being made. Next: roony purchase show {id} --wait 30",
    "awaiting_approval": "A person decides. Next: roony purchase show {id} --wait 55, or as owner: roony approval list",
    "failed": "The card could not be made. Ask again; nothing is held.",
}
_OPENED_BY = {
    "sealed": "Next, on the agent's machine: roony agent-key open JWE",
    "reveal": "Next: a person with an admin key opens this link, within 10 minutes; it shows the card once.",
}


@app.command()
def ask(
    amount: str = typer.Argument(help="How much, such as 49.99."),
    merchant: str = typer.Option(..., help="Who is paid."),
    description: str | None = typer.Option(None, help="What is bought; the merchant's name if not given."),
    currency: str = typer.Option("usd", help="Currency of the amount."),
    category: str | None = typer.Option(None, help="Trade of the merchant, such as computer_software_stores or 5734."),
    country: str | None = typer.Option(None, help="Country of the merchant, such as US."),
    merchant_url: str | None = typer.Option(None, help="Web address of the merchant."),
    task_id: str | None = typer.Option(None, help="The task this is for."),
    project_id: str | None = typer.Option(None, help="One of the agent's projects."),
    key: str | None = typer.Option(None, help="Idempotency-Key: the same key never buys twice."),
    every: str | None = typer.Option(None, help="Pay it again every day, week, month or year, with --payments."),
    payments: int | None = typer.Option(None, help="How many payments with --every, the first one included."),
    allow_duplicate: bool = typer.Option(False, "--allow-duplicate", help="This is no repetition by mistake."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Ask for a purchase. Exit code 0: the card is ready, 3: a person decides or it is being made, 4: declined."""
    if (every is None) != (payments is None):
        raise typer.BadParameter("--every and --payments go together")
    given = {"name": merchant, "category": category, "country": country, "url": merchant_url}
    body = {
        "amount": minor_units(amount, currency), "currency": currency.lower(), "description": description or merchant,
        "merchant": {name: value for name, value in given.items() if value is not None},
        "task_id": task_id, "project_id": project_id, "allow_duplicate": allow_duplicate or None,
        "recurring": {"interval": every, "payments": payments} if every is not None else None,
    }  # fmt: skip
    wanted = {name: value for name, value in body.items() if value is not None}
    remote = agent(url)
    response = remote.call("POST", _PATH, wanted, headers={"Idempotency-Key": key} if key else {})
    if response.status_code == 409 and response.json().get("error", {}).get("code") == "possible_duplicate":
        error = response.json()["error"]
        if as_json:
            print_json(error)
        # The message names the purchase and how to insist; here that is an option.
        typer.echo(error["message"].replace("allow_duplicate", "--allow-duplicate"), err=True)
        raise typer.Exit(DECLINED)
    _tell(remote.accepted(response), as_json)


@app.command()
def show(
    purchase_id: str = typer.Argument(help="pur_…"),
    wait: int = typer.Option(0, min=0, max=55, help="Seconds to wait for a person or the card."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Show a purchase. Exit code as for `ask`."""
    _tell(agent(url).get(f"{_PATH}/{purchase_id}", wait=wait or None), as_json)


@app.command("list")
def list_purchases(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List the agent's purchases, newest first."""
    answer = agent(url).get(_PATH, cursor=cursor)
    for row in answer["data"]:
        row["merchant_name"] = row["merchant"]["name"]
    columns = ("id", "status", "amount", "merchant_name", "created_at")
    print_list(answer, columns, as_json, "No purchases yet. Next: roony purchase ask --help")


@app.command()
def cancel(purchase_id: str = typer.Argument(help="pur_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Cancel a purchase that was not paid yet; its card is canceled and its budget freed."""
    purchase = agent(url).post(f"{_PATH}/{purchase_id}/cancel")
    print_one(_plain(purchase), False) if not as_json else print_json(purchase)


@app.command("raise")
def raise_amount(
    purchase_id: str = typer.Argument(help="pur_…"),
    amount: str = typer.Argument(help="The higher price, such as 54.99, in the currency of the purchase."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Raise the price before the card is used. Exit code 0: the card can pay it, 3: a person or Stripe, 4: declined."""
    remote = agent(url)
    wanted = minor_units(amount, remote.get(f"{_PATH}/{purchase_id}")["currency"])
    response = remote.call("POST", f"{_PATH}/{purchase_id}/raise", {"amount": wanted})
    if response.status_code == 409 and response.json().get("error", {}).get("code") == "raise_declined":
        error = response.json()["error"]
        if as_json:
            print_json(error)
        for reason in error["reasons"]:
            typer.echo(f"  {reason['code']}: {reason['message']}", err=True)
        raise typer.Exit(DECLINED)
    purchase = remote.accepted(response)
    card, raised = purchase["card"], purchase["amount"] == wanted
    if as_json:
        print_json(purchase)
    else:
        print_one(_plain(purchase), False)
    if not raised:
        typer.echo("A person decides about the new price. Next: roony purchase show " + purchase_id, err=True)
        raise typer.Exit(WAITING)
    if card is None or card["hard_limit"] != purchase["hold_amount"]:
        typer.echo("Stripe has not confirmed it yet; until then the card pays the old price.", err=True)
        raise typer.Exit(WAITING)


@app.command()
def card(
    purchase_id: str = typer.Argument(help="pur_…"),
    purpose: str | None = typer.Option(None, help="What for; it is written into the audit record."),
    delivery: str | None = typer.Option(None, help="sealed, reveal or raw; as strict as is allowed if not given."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Get the card's number, CVC and expiry: audited, at most 5 times a purchase."""
    given = {"purpose": purpose, "delivery": delivery}
    body = {name: value for name, value in given.items() if value}
    details = agent(url).post(f"{_PATH}/{purchase_id}/card", body)
    print_one(details, as_json)
    if not as_json and details["delivery"] in _OPENED_BY:
        typer.echo(_OPENED_BY[details["delivery"]])


def _tell(purchase: dict[str, Any], as_json: bool) -> None:
    """Prints a purchase and ends with the exit code of its status."""
    if as_json:
        print_json(purchase)
    else:
        print_one(_plain(purchase), False)
        for reason in purchase["decision"]["reasons"]:
            typer.echo(f"  {reason['code']}: {reason['message']}")
        if purchase["status"] in _NEXT:
            typer.echo(_NEXT[purchase["status"]].format(id=purchase["id"]))
    raise typer.Exit(_CODES.get(purchase["status"], FAILED))


def _plain(purchase: dict[str, Any]) -> dict[str, Any]:
    """The fields a person looks at first."""
    card, currency = purchase["card"], purchase["currency"]
    shown = {
        "id": purchase["id"], "status": purchase["status"], "amount": money(purchase["amount"], currency),
        "merchant": purchase["merchant"]["name"],
    }  # fmt: skip
    if card is not None:
        shown["card"] = f"{card['id']} •••• {card['last4']} {card['status']}, until {card['expires_at']}"
        if "number" in card:
            shown |= {"number": card["number"], "cvc": card["cvc"], "billing_zip": card["billing_zip"],
                      "expiry": f"{card['exp_month']:02}/{card['exp_year']}"}  # fmt: skip
    if "mandate" in purchase:
        mandate = purchase["mandate"]
        shown["every"] = f"{mandate['interval']}, {mandate['payments_made']} of {mandate['payments']} payments made"
        shown["mandate"] = mandate["status"]
        if mandate["next_payment_from"] is not None:
            shown["next payment"] = f"from {mandate['next_payment_from']}"
    if purchase["approval"] is not None:
        shown["approval"] = f"{purchase['approval']['id']}, until {purchase['approval']['expires_at']}"
    if purchase["captured_amount"]:
        shown["captured"] = money(purchase["captured_amount"], currency)
    if purchase["refunded_amount"]:
        shown["refunded"] = money(purchase["refunded_amount"], currency)
    return shown
