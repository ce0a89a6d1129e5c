"""`roony purchase`: what an agent does, with its own key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roony.cli.amounts import minor_units
from roony.cli.evidence import evidence
from roony.cli.output import (
    DECLINED,
    DONE,
    FAILED,
    WAITING,
    WRONG_USE,
    JsonOption,
    fail,
    money,
    print_json,
    print_list,
    print_one,
    say,
)
from roony.cli.remote import UrlOption, agent, as_answered

if TYPE_CHECKING:
    from roony.client import Roony
    from roony.client.answers import Purchase

app = typer.Typer(help="Ask for purchases, as an agent (ROONY_AGENT_KEY).", no_args_is_help=True)
app.command()(evidence)

# A day: longer than any approval waits.
LONGEST_WAIT_SECONDS = 86_400
_CODES = {"ready": DONE, "authorized": DONE, "settled": DONE, "awaiting_approval": WAITING, "issuing": WAITING,
          "declined": DECLINED}  # fmt: skip
_VERDICTS = {"approved": DONE, "needs_approval": WAITING, "declined": DECLINED}
_NEXT = {
    "ready": "Next: roony purchase card {id}",
    "issuing": "The card is being made. Next: roony purchase show {id} --wait 30",
    "awaiting_approval": "A person decides. Next: roony purchase show {id} --wait 55, or as owner: roony approval list",
    "declined": "Nothing is held. Next: roony purchase rules, roony purchase budgets",
    "expired": "Its time is over; nothing is held. Ask again if it is still wanted.",
}
_OPENED_BY = {
    "sealed": "Next, on the agent's machine: roony agent-key open JWE, or here with --key-file",
    "reveal": "Next: an approver opens this link within 10 minutes, signed in or with a key; it shows the card once.",
}

Amount = Annotated[str, typer.Argument(help="How much, such as 49.99.")]
Merchant = Annotated[str, typer.Option(help="Who is paid.")]
Description = Annotated[str | None, typer.Option(help="What is bought; the merchant's name if not given.")]
Currency = Annotated[str, typer.Option(help="Currency of the amount.")]
Category = Annotated[str | None, typer.Option(help="Trade of the merchant: computer_software_stores or 5734.")]
Country = Annotated[str | None, typer.Option(help="Country of the merchant, such as US.")]
MerchantUrl = Annotated[str | None, typer.Option(help="Web address of the merchant.")]
TaskId = Annotated[str | None, typer.Option(help="The task this is for.")]
ProjectId = Annotated[str | None, typer.Option(help="One of the agent's projects.")]
Every = Annotated[str | None, typer.Option(help="Pay it again every day, week, month or year, with --payments.")]
Payments = Annotated[int | None, typer.Option(help="How many payments with --every, the first one included.")]
AllowDuplicate = Annotated[bool, typer.Option("--allow-duplicate", help="This is no repetition by mistake.")]
Wait = Annotated[
    int, typer.Option(min=0, max=LONGEST_WAIT_SECONDS, help="Seconds to wait for a person or for the card.")
]
PurchaseId = Annotated[str, typer.Argument(help="pur_…")]


@app.command()
def ask(
    amount: Amount,
    merchant: Merchant,
    description: Description = None,
    currency: Currency = "usd",
    category: Category = None,
    country: Country = None,
    merchant_url: MerchantUrl = None,
    task_id: TaskId = None,
    project_id: ProjectId = None,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key: the same key never buys twice.")] = None,
    every: Every = None,
    payments: Payments = None,
    allow_duplicate: AllowDuplicate = False,
    wait: Wait = 0,
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Ask for a purchase. Exit code 0: the card is ready, 3: a person decides or it is being made, 4: declined."""
    from roony.client import RoonyError

    wish = _wish(amount, merchant, description, currency, category, country, merchant_url, task_id, project_id, every,
                 payments, allow_duplicate)  # fmt: skip
    with agent(url) as roony:
        try:
            purchase: Purchase = roony.request_purchase(**wish, idempotency_key=key)
        except RoonyError as error:
            if error.code != "possible_duplicate":
                raise
            # The message names the purchase and how to insist; here that is an option.
            fail(error.message.replace("allow_duplicate", "--allow-duplicate"), DECLINED, as_answered(error))
        if wait and purchase["status"] in ("awaiting_approval", "issuing"):
            purchase = roony.wait_until_ready(purchase["id"], timeout=wait)
    _tell(purchase, as_json)


@app.command()
def preview(
    amount: Amount,
    merchant: Merchant,
    description: Description = None,
    currency: Currency = "usd",
    category: Category = None,
    country: Country = None,
    merchant_url: MerchantUrl = None,
    task_id: TaskId = None,
    project_id: ProjectId = None,
    every: Every = None,
    payments: Payments = None,
    allow_duplicate: AllowDuplicate = False,
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Show what would be decided now; nothing is held. Exit code 0: approved, 3: a person would decide, 4: declined."""
    wish = _wish(amount, merchant, description, currency, category, country, merchant_url, task_id, project_id, every,
                 payments, allow_duplicate)  # fmt: skip
    with agent(url) as roony:
        previewed = roony.preview_purchase(**wish)
    decision = previewed["decision"]
    if as_json:
        print_json(previewed)
    else:
        shown = {name: previewed[name] for name in ("amount", "currency", "hold_amount", "duplicate_of")}
        print_one({"verdict": decision["verdict"], **shown}, False)
        for reason in decision["reasons"]:
            say(f"  {reason['code']}: {reason['message']}")
    raise typer.Exit(_VERDICTS[decision["verdict"]])


@app.command()
def show(purchase_id: PurchaseId, wait: Wait = 0, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Show a purchase. Exit code as for `ask`; 1 when it was canceled, expired or failed."""
    with agent(url) as roony:
        _tell(roony.wait_until_ready(purchase_id, timeout=wait) if wait else roony.get_purchase(purchase_id), as_json)


@app.command("list")
def list_purchases(
    status: Annotated[str | None, typer.Option(help="Only those in this status, such as ready.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List the agent's purchases, newest first."""
    with agent(url) as roony:
        answer = roony.list_purchases(status=status, cursor=cursor)  # type: ignore[arg-type] # Roony names those it knows
    rows = answer["data"] if as_json else [{**row, "merchant_name": row["merchant"]["name"]} for row in answer["data"]]
    columns = ("id", "status", "amount", "merchant_name", "created_at")
    print_list({**answer, "data": rows}, columns, as_json, "No purchases yet. Next: roony purchase ask --help")


@app.command()
def budgets(task_id: TaskId = None, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """List the budgets the agent's purchases draw on, and what is left of each."""
    with agent(url) as roony:
        answer = roony.check_budget(task_id=task_id)
    columns = ("scope", "period", "limit", "held", "spent", "available")
    print_list(answer, columns, as_json, "No budget is set for this agent.")


@app.command()
def rules(task_id: TaskId = None, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Say which rules apply to the agent's purchases, and which level sets each of them."""
    with agent(url) as roony:
        answer = roony.get_spending_controls(task_id=task_id)
    if as_json:
        print_json(answer)
        return
    for line in (*answer["merged"], *answer["budgets"]):
        say(line["sentence"])


@app.command()
def cancel(purchase_id: PurchaseId, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Cancel a purchase that was not paid yet; its card is canceled and its budget freed."""
    with agent(url) as roony:
        purchase = roony.cancel_purchase(purchase_id)
    _print(purchase, as_json)


@app.command("raise")
def raise_amount(
    purchase_id: PurchaseId,
    amount: Annotated[str, typer.Argument(help="The higher price, such as 54.99, in the currency of the purchase.")],
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Raise the price before the card is used. Exit code 0: the card can pay it, 3: a person or Stripe, 4: declined."""
    from roony.client import RoonyError

    with agent(url) as roony:
        wanted = minor_units(amount, roony.get_purchase(purchase_id)["currency"])
        try:
            purchase = roony.raise_purchase(purchase_id, amount=wanted)
        except RoonyError as error:
            if error.code != "raise_declined":
                raise
            reasons = "\n".join(f"  {reason['code']}: {reason['message']}" for reason in error.reasons)
            fail(reasons, DECLINED, as_answered(error))
    _print(purchase, as_json)
    if purchase["amount"] != wanted:
        typer.echo("A person decides about the new price. Next: roony purchase show " + purchase_id, err=True)
        raise typer.Exit(WAITING)
    card = purchase["card"]
    if card is None or card["hard_limit"] != purchase["hold_amount"]:
        typer.echo("Stripe has not confirmed it yet; until then the card pays the old price.", err=True)
        raise typer.Exit(WAITING)


@app.command()
def card(
    purchase_id: PurchaseId,
    purpose: Annotated[str | None, typer.Option(help="What for; it is written into the audit record.")] = None,
    delivery: Annotated[
        str | None, typer.Option(help="sealed, reveal or raw; as strict as is allowed if not given.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(envvar="ROONY_AGENT_KEY_FILE", help="The private key, to open a sealed card here.")
    ] = None,
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Get the card's number, CVC and expiry: audited, at most 5 times a purchase."""
    # Read first: a card that cannot be opened would count as delivered all the same.
    private_key = _private_key(key_file) if key_file is not None else None
    with agent(url) as roony:
        details = _card(roony, purchase_id, purpose, delivery, private_key)
    print_one(details, as_json)
    if not as_json and details["delivery"] in _OPENED_BY:
        typer.echo(_OPENED_BY[details["delivery"]])


def _card(
    roony: Roony, purchase_id: str, purpose: str | None, delivery: str | None, private_key: str | None
) -> dict[str, Any]:
    from roony.client import CannotOpen, InvalidPrivateKey

    try:
        details = roony.get_card(
            purchase_id,
            delivery=delivery or None,  # type: ignore[arg-type] # Roony names those it knows
            purpose=purpose or None,
            private_key=private_key,
        )
    except (InvalidPrivateKey, CannotOpen) as wrong:
        fail(str(wrong), WRONG_USE if isinstance(wrong, InvalidPrivateKey) else FAILED)
    return {**details}


def _private_key(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        fail(f"{file} cannot be read: it should be the private key that `roony agent-key new` made.", WRONG_USE)


def _wish(
    amount: str,
    merchant: str,
    description: str | None,
    currency: str,
    category: str | None,
    country: str | None,
    merchant_url: str | None,
    task_id: str | None,
    project_id: str | None,
    every: str | None,
    payments: int | None,
    allow_duplicate: bool,
) -> dict[str, Any]:
    """What is asked for, as the client wants it."""
    if (every is None) != (payments is None):
        raise typer.BadParameter("--every and --payments go together")
    given = {"name": merchant, "category": category, "country": country, "url": merchant_url}
    return {
        "amount": minor_units(amount, currency), "currency": currency.lower(), "description": description or merchant,
        "merchant": {name: value for name, value in given.items() if value is not None},
        "task_id": task_id, "project_id": project_id, "allow_duplicate": allow_duplicate,
        "recurring": {"interval": every, "payments": payments} if every is not None else None,
    }  # fmt: skip


def _tell(purchase: Purchase, as_json: bool) -> None:
    """Prints a purchase and what to do next, beside the JSON on stderr, and ends with the exit code of its status."""
    _print(purchase, as_json)
    if not as_json:
        for reason in purchase["decision"]["reasons"]:
            say(f"  {reason['code']}: {reason['message']}")
    next_step = _next_step(purchase)
    if next_step is not None:
        say(next_step, err=as_json)
    raise typer.Exit(_CODES.get(purchase["status"], FAILED))


def _next_step(purchase: Purchase) -> str | None:
    """What to do now, where there is something."""
    card, failure, action = purchase["card"], purchase["failure"], purchase["action_required"]
    if purchase["status"] == "ready" and card is not None and card["status"] == "frozen":
        return "The card is frozen: whatever is charged to it is declined. Only the owner can lift that."
    # There was no yes of a person's: the reasons are still those for which a person was asked.
    if purchase["status"] in ("declined", "expired") and action is not None:
        return f"{action['message']} {action['next']} Nothing is held."
    if purchase["status"] == "failed" and failure is not None:
        again = "Asking again can help." if failure["retry_can_help"] else "Asking again does not help by itself."
        return f"{failure['message']} Nothing is held. {again}"
    # Between two payments of a mandate nothing is to be done.
    if purchase["status"] == "ready" and "mandate" in purchase and purchase["mandate"]["payments_made"]:
        return None
    if purchase["status"] == "issuing" and failure is not None:
        again = f"roony purchase show {purchase['id']} --wait 30"
        return f"The card is not made yet. {failure['message']} Next: {again}"
    hint = _NEXT.get(purchase["status"])
    return hint.format(id=purchase["id"]) if hint is not None else None


def _print(purchase: Purchase, as_json: bool) -> None:
    if as_json:
        print_json(purchase)
    else:
        print_one(_plain(purchase), False)


def _plain(purchase: Purchase) -> dict[str, Any]:
    """The fields a person looks at first."""
    card, currency = purchase["card"], purchase["currency"]
    shown: dict[str, Any] = {
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
        approval = purchase["approval"]
        shown["approval"] = f"{approval['id']} {approval['status']}, until {approval['expires_at']}"
        if approval["note"]:
            shown["note"] = approval["note"]
    if purchase["action_required"] is not None:
        shown["refused"] = "{message} {next}".format(**purchase["action_required"])
    if purchase["captured_amount"]:
        shown["captured"] = money(purchase["captured_amount"], currency)
    if purchase["refunded_amount"]:
        shown["refunded"] = money(purchase["refunded_amount"], currency)
    return shown
