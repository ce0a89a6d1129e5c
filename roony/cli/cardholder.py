"""`roony cardholder`: in whose name cards are made, for the organization, a project or an agent."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typer

from roony.cli.budget import scope_of
from roony.cli.output import WRONG_USE, JsonOption, fail, print_json, print_list
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="In whose name cards are made.", no_args_is_help=True)

_CARDHOLDERS = "/api/v1/admin/cardholders"
_SCOPE = typer.Argument(None, help="agt_…, prj_… or org_…; the whole organization if not given.")


@app.command("list")
def list_cardholders(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List cardholders, with what Stripe still needs of each and what to do about it."""
    answer = owner(url).get(_CARDHOLDERS, cursor=cursor)
    rows = [_row(view, at) for view in answer["data"] for at in view["at_stripe"] or [{}]]
    columns = ("scope_id", "name", "connection_id", "stripe_cardholder_id", "status", "past_due")
    shown = answer if as_json else {**answer, "data": rows}
    print_list(shown, columns, as_json, "No cardholders.")
    if not as_json:
        for line in dict.fromkeys(line for view in answer["data"] for at in view["at_stripe"] for line in at["next"]):
            typer.echo(f"  {line}")


@app.command("set")
def set_cardholder(
    scope: str | None = _SCOPE,
    line1: str | None = typer.Option(None, help="Billing address, which merchants check: street and number."),
    line2: str | None = typer.Option(None, help="Second line of the address."),
    city: str | None = typer.Option(None, help="City."),
    state: str | None = typer.Option(None, help="State, as in CA."),
    postal_code: str | None = typer.Option(None, help="Postal code."),
    country: str | None = typer.Option(None, help="Country, as in US."),
    name: str | None = typer.Option(None, help="Printed on cards: at most 24 letters. Never changes once at Stripe."),
    phone: str | None = typer.Option(None, help="With country code, as +12025550123; cards in EUR need it."),
    email: str | None = typer.Option(None, help="E-mail address."),
    first_name: str | None = typer.Option(None, help="Of a person; without, the cardholder is the company."),
    last_name: str | None = typer.Option(None, help="Of a person."),
    born: str | None = typer.Option(None, help="Date of birth of a person, as 1990-12-31."),
    terms_at: str | None = typer.Option(None, help="When the person accepted the card terms, as 2026-11-28T10:00:00Z."),
    terms_ip: str | None = typer.Option(None, help="From which IP address."),
    file: Path | None = typer.Option(None, help="All of it as JSON in Stripe's shape, instead of options."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Say in whose name cards are made, whole. Where it is at Stripe already, it is changed there."""
    address = {
        "line1": line1, "line2": line2, "city": city, "state": state, "postal_code": postal_code, "country": country,
    }  # fmt: skip
    given = {
        "name": name, "phone_number": phone, "email": email, "billing": {"address": _given(address)},
        "individual": _individual(first_name, last_name, born, terms_at, terms_ip),
    }  # fmt: skip
    cardholder = _read(file) if file is not None else _given(given)
    answer = owner(url).put(_CARDHOLDERS, {**scope_of(scope), "cardholder": cardholder})
    _tell(answer, "Set", as_json)


@app.command()
def remove(
    scope: str = typer.Argument(help="agt_… or prj_…"), url: str = UrlOption, as_json: bool = JsonOption
) -> None:
    """Take a project's or an agent's own cardholder back; its next cards are made in the name above it."""
    remote = owner(url)
    _tell(remote.accepted(remote.call("DELETE", f"{_CARDHOLDERS}/{scope}")), "Removed", as_json)


def _tell(answer: dict[str, Any], word: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    typer.echo(f"{word}: the cardholder of {answer['scope_id']}. See it with: roony cardholder list")


def _row(view: dict[str, Any], at: dict[str, Any]) -> dict[str, Any]:
    return {**at, "scope_id": view["scope_id"], "name": (view["cardholder"] or {}).get("name")}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _individual(
    first_name: str | None, last_name: str | None, born: str | None, terms_at: str | None, terms_ip: str | None
) -> dict[str, Any] | None:
    """The person in Stripe's shape; None when nothing of one was said."""
    person: dict[str, Any] = _given({"first_name": first_name, "last_name": last_name})
    try:
        if born is not None:
            day = date.fromisoformat(born)
            person["dob"] = {"day": day.day, "month": day.month, "year": day.year}
        if terms_at is not None or terms_ip is not None:
            at = int(datetime.fromisoformat(terms_at).timestamp()) if terms_at else None
            person["card_issuing"] = {"user_terms_acceptance": _given({"date": at, "ip": terms_ip})}
    except ValueError as error:
        fail(f"This is no date: {error}.", WRONG_USE)
    return person or None


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"{file} cannot be read as JSON: {error}", WRONG_USE)
