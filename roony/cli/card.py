"""`roony card`: the cards of the organization, never their numbers; frozen, let go and canceled one by one."""

from __future__ import annotations

import typer

from roony.cli.output import JsonOption, print_json, print_list, print_one
from roony.cli.remote import UrlOption, owner
from roony.core.card import STATUSES

app = typer.Typer(help="Cards: list, show, freeze, unfreeze, cancel.", no_args_is_help=True)

_CARDS = "/api/v1/admin/cards"
_CARD = typer.Argument(help="crd_…")


@app.command("list")
def list_cards(
    status: str | None = typer.Option(None, help=f"One of: {', '.join(STATUSES)}."),
    purchase: str | None = typer.Option(None, help="Of this purchase: pur_…"),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List cards, newest first."""
    answer = owner(url).get(_CARDS, status=status, purchase_id=purchase, cursor=cursor)
    columns = ("id", "status", "purchase_id", "last4", "hard_limit", "expires_at")
    print_list(answer, columns, as_json, "No such cards: one is made for each approved purchase.")


@app.command()
def show(card_id: str = _CARD, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Show one card."""
    print_one(owner(url).get(f"{_CARDS}/{card_id}"), as_json)


@app.command()
def freeze(card_id: str = _CARD, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Stop one card at once: its payments are declined, and it is switched off at Stripe."""
    card = owner(url).post(f"{_CARDS}/{card_id}/freeze")
    if as_json:
        print_json(card)
        return
    typer.echo(f"Frozen: {card_id}. Undo it with: roony card unfreeze {card_id}")


@app.command()
def unfreeze(card_id: str = _CARD, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Let a frozen card pay again, if it is still alive and nothing above it is frozen."""
    card = owner(url).post(f"{_CARDS}/{card_id}/unfreeze")
    if as_json:
        print_json(card)
        return
    still = " A scope above it is frozen, or its time is over." if card["status"] == "frozen" else ""
    typer.echo(f"No longer frozen by itself: {card_id} is {card['status']}.{still}")


@app.command()
def cancel(card_id: str = _CARD, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Cancel a card for good, and its purchase with it."""
    print_one(owner(url).post(f"{_CARDS}/{card_id}/cancel"), as_json)
