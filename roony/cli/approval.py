"""`roony approval`: people's yes or no."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import typer

from roony.cli.amounts import minor_units
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
from roony.cli.remote import UrlOption, owner, said

app = typer.Typer(help="Purchases that wait for a person.", no_args_is_help=True)

_APPROVALS = "/api/v1/admin/approvals"
_CODES = {"approved": DONE, "partly_approved": WAITING, "denied": DECLINED}
IdsArgument = typer.Argument(help="apr_…, one or more.")
NoteOption = typer.Option("", help="Why, for the record; the agent reads it too.")


@app.command("list")
def list_approvals(
    status: str = typer.Option("waiting", help="waiting, pending, partly_approved, approved, denied, expired or all."),
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
    if answer["data"] and not as_json:
        typer.echo("Next: roony approval show apr_…")


@app.command()
def show(
    approval_id: str = typer.Argument(help="apr_…"),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Show one approval as its approver should see it; what the agent wrote is in quotes at the end."""
    answer = owner(url).get(f"{_APPROVALS}/{approval_id}")
    if as_json:
        print_json(answer)
        return
    print_one(_seen(answer), False)
    untrusted = answer["snapshot"]["untrusted"]
    typer.echo("The agent's own words, which nobody has checked:")
    for name, value in (("description", untrusted["description"]), ("metadata", untrusted["metadata"])):
        # As JSON, so that no line break or quote in it looks like ours.
        say(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    if answer["status"] in ("pending", "partly_approved"):
        typer.echo(f"Next: roony approval approve {approval_id}, or deny; --amount approves another amount.")


@app.command()
def approve(
    approval_ids: list[str] = IdsArgument,
    note: str = NoteOption,
    amount: str | None = typer.Option(None, help="Another amount than was asked for, such as 49.99; for one id."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Say yes. All rules and budgets are looked at once more, as they are now; an --amount they refuse changes nothing.

    Exit code 0: approved, 3: another person must agree, 4: the rules no longer allow it, 1: nothing was changed.
    """
    remote = owner(url)
    body: dict[str, Any] = {"note": note}
    if amount is not None:
        if len(approval_ids) != 1:
            fail("--amount is for one approval: name one id.", WRONG_USE)
        currency = remote.get(f"{_APPROVALS}/{approval_ids[0]}")["snapshot"]["currency"]
        body["amount"] = minor_units(amount, currency)
    _each(approval_ids, lambda id: remote.call("POST", f"{_APPROVALS}/{id}/approve", body), as_json, _CODES)


@app.command()
def deny(
    approval_ids: list[str] = IdsArgument,
    note: str = NoteOption,
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Say no. The budget is free again."""
    remote = owner(url)
    _each(approval_ids, lambda id: remote.call("POST", f"{_APPROVALS}/{id}/deny", {"note": note}), as_json, {})


def _each(ids: list[str], decide: Callable[[str], httpx2.Response], as_json: bool, codes: dict[str, int]) -> None:
    """Decides one after the other, also after one that was refused, and ends with the worst exit code of them.

    As JSON it prints the answer of one, or the list of the answers of several.
    """
    answers, ended = [], {DONE}
    for id in ids:
        response = decide(id)
        if not response.is_success:
            ended.add(FAILED)
            say(f"{id}: {said(response)}", err=True)
        answers.append(response.json())
        if not response.is_success:
            continue
        outcome = answers[-1]["outcome"]
        ended.add(codes.get(outcome["status"], DONE))
        if not as_json:
            say(f"{id}: {outcome['message']} Purchase {answers[-1]['id']} is {answers[-1]['status']}.")
    if as_json:
        print_json(answers[0] if len(ids) == 1 else answers)
    raise typer.Exit(next(code for code in (FAILED, DECLINED, WAITING, DONE) if code in ended))


def _seen(answer: dict[str, Any]) -> dict[str, Any]:
    """The fields of an approval in the order in which a person wants them; amounts as people write them."""
    seen = answer["snapshot"]
    currency, merchant, history = seen["currency"], seen["merchant"], seen.get("history") or {}
    shown = {
        "id": answer["id"], "status": answer["status"], "kind": answer["kind"], "purchase": answer["purchase_id"],
        "amount": money(seen["amount"], currency), "hold": money(seen["hold_amount"], currency),
        "agent": f"{seen['agent']} ({seen.get('agent_id', '')})",
        "project": f"{seen['project']} ({seen.get('project_id', '')})", "task": seen.get("task_id"),
        "merchant": merchant["name"], "category": merchant.get("category"), "country": merchant.get("country"),
        "web address": merchant.get("url"), "bought there": _history(history),
    }  # fmt: skip
    if seen.get("previous_amount") is not None:
        shown["price before"] = money(seen["previous_amount"], currency)
    for place, reason in enumerate(seen["reasons"], 1):
        shown[f"reason {place}"] = f"{reason['code']}: {reason['message']}"
    for budget in seen["budgets"]:
        name = f"left of {budget['scope']}'s {budget['period']}"
        shown[name] = f"{money(budget['available_after'], currency)} of {money(budget['limit'], currency)}"
    if answer["first_approved_by"] is not None:
        agreed = money(answer["approved_amount"], currency)
        shown["first yes"] = f"{answer['first_approved_by']} to {agreed}; another person must agree to the same"
    decided = {"until": answer["expires_at"], "decided by": answer["decided_by"], "decided at": answer["decided_at"]}
    return {**shown, **decided, "note": answer["note"]}


def _history(history: dict[str, Any]) -> str:
    if not history:
        return ""
    if history["new"]:
        return "nothing before"
    count = history["purchases"]
    times = f"{count} time" if count == 1 else f"{count} times"
    if history["last_at"] is None:
        return times
    last = money(history["last_amount"], history["last_currency"])
    return f"{times}, last {history['last_at']} for {last}"
