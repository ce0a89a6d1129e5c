"""The tokens of a Stripe App in our books: who may refresh them, the new pair, and what a refusal means (facts 6.3).

A refresh token is good for one use. So the right to use it is a lease, committed before Stripe is asked; the new pair
is committed before either of the two is used; and whoever held the lease and was not heard of again is taken to have
used the token. All of it happens under the organization's lock, so that of many processes one refreshes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from roony.core.app_token import AppTokens, Step, fresh_pair, given_back, held, is_usable, next_step
from roony.core.audit import ROONY
from roony.core.connection import STANDING, Connection, lift, restrict
from roony.flows.connection.restriction import follow_restrictions
from roony.flows.connection.revocation import revoke, token_needs
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import ConnectionSecret

# Codes of core.connection.NEXT.
RECONNECT, KEY_REFUSED = "reconnect_needed", "key_refused"
LOST_WORDS = "The app's tokens could not be renewed, or the new ones never arrived."
REFUSED_WORDS = "Stripe does not take the app's access token, also not a new one."
UNINSTALLED = "the app was uninstalled, or its access taken back, at Stripe"

KEY_REFUSED_WORDS = "Stripe refused our key, or client, when the app's tokens were to be renewed."

# How a refresh ended that brought no pair: certainly not done for now; nor, as our own key was refused; nobody knows;
# the refresh token is good for nothing more; or Stripe's word, at a clean try, that we have no access.
Ending = Literal["not_done", "refused", "unsure", "lost", "invalid_grant"]


class Turn(NamedTuple):
    """What a call may do now. With the step `refresh` the caller holds the lease, and `refresh_token` is sealed."""

    step: Step
    generation: int = 0
    refresh_token: str = ""


@dataclass(frozen=True, slots=True)
class TakeRefresh(Command[Turn]):
    """Somebody needs an access token: takes the lease where it is time and nobody has it. `rejected` is the generation
    whose access token Stripe refused just now."""

    organization_id: str
    connection_id: str
    holder: str
    rejected: int | None = None

    def needs(self, now: int) -> Needs:
        """The connection, its tokens, and what is known of them."""
        return token_needs(self.organization_id, self.connection_id)

    def apply(self, book: Book, now: int) -> Turn:
        """Takes it, or says what else to do. A holder whose time is over lost the pair: the owner has to know."""
        org, id = self.organization_id, self.connection_id
        tokens = book.get(AppTokens, org, id)
        secret = book.get(ConnectionSecret, org, id, "refresh_token")
        if tokens is None or secret is None or not secret.sealed:
            return Turn(Step.GONE)
        step = next_step(tokens, now, self.rejected)
        if step is Step.LOSE:
            tokens = _lose(book, tokens, LOST_WORDS, now)
            step = next_step(tokens, now, self.rejected)
        if step is not Step.REFRESH:
            return Turn(step, tokens.generation)
        book.put(held(tokens, self.holder, now))
        return Turn(step, tokens.generation, secret.sealed)


@dataclass(frozen=True, slots=True)
class RecordPair(Command[bool]):
    """A new pair, asked for at `asked_at` (microseconds): both sealed, before either is used."""

    organization_id: str
    connection_id: str
    holder: str
    generation: int
    asked_at: int
    secrets: tuple[tuple[str, str], ...] = field(repr=False)

    def needs(self, now: int) -> Needs:
        """The connection, its tokens, and what is known of them."""
        return token_needs(self.organization_id, self.connection_id)

    def apply(self, book: Book, now: int) -> bool:
        """False when it is not this holder's to say any more: the account was connected again, or is over.

        A holder that comes late with the pair is welcome: nobody else has used the token it had.
        """
        org, id = self.organization_id, self.connection_id
        tokens = _of_holder(book, org, id, self.holder, self.generation)
        if tokens is None:
            return False
        for name, sealed in self.secrets:
            book.put(ConnectionSecret(org, id, name, sealed, now))
        book.put(fresh_pair(tokens, org, id, self.asked_at, now))
        _lift(book, org, id, now)
        book.record(org, ROONY, "connection.tokens_renewed", id, {"generation": self.generation + 1}, now)
        return True


@dataclass(frozen=True, slots=True)
class EndRefresh(Command[bool]):
    """A refresh brought no pair."""

    organization_id: str
    connection_id: str
    holder: str
    generation: int
    ending: Ending
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The connection, its tokens, and what is known of them."""
        return token_needs(self.organization_id, self.connection_id)

    def apply(self, book: Book, now: int) -> bool:
        """Gives the lease back; `invalid_grant` ends the connection, unless an earlier try may have got the pair."""
        org, id = self.organization_id, self.connection_id
        tokens = _of_holder(book, org, id, self.holder, self.generation)
        if tokens is None:
            return False
        connection = book.need(Connection, org, id)
        # While a gap is caught up with, our tokens may be an older copy's: renewed since, and refused for that.
        maybe_ours = tokens.unsure or tokens.lost or connection.catching_up_since is not None
        if self.ending == "lost" or (self.ending == "invalid_grant" and maybe_ours):
            # Stripe may have issued the pair to us and refuse the old token for that: no proof of an uninstall.
            _lose(book, tokens, LOST_WORDS, now)
            return True
        if self.ending == "invalid_grant":
            revoke(book, connection, UNINSTALLED, "stripe", self.promise_id, now)
            return True
        book.put(given_back(tokens, self.ending == "unsure", now))
        if tokens.lost and self.ending != "unsure":
            _lift(book, org, id, now)
        if self.ending == "refused" and not is_usable(tokens, now):
            _restrict(book, org, id, KEY_REFUSED, KEY_REFUSED_WORDS, now)
        return True


@dataclass(frozen=True, slots=True)
class RefuseTokens(Command[bool]):
    """Stripe refused the access token of this generation, which was a new one: only the owner can help."""

    organization_id: str
    connection_id: str
    generation: int

    def needs(self, now: int) -> Needs:
        """The connection, its tokens, and what is known of them."""
        return token_needs(self.organization_id, self.connection_id)

    def apply(self, book: Book, now: int) -> bool:
        """False when there is a newer generation by now."""
        tokens = book.get(AppTokens, self.organization_id, self.connection_id)
        if tokens is None or tokens.generation != self.generation:
            return False
        _lose(book, tokens._replace(expires_at=min(tokens.expires_at, now)), REFUSED_WORDS, now)
        return True


def _of_holder(book: Book, organization_id: str, connection_id: str, holder: str, generation: int) -> AppTokens | None:
    """The tokens while `holder` is the last one who took this generation's lease, however long ago."""
    tokens = book.get(AppTokens, organization_id, connection_id)
    if tokens is None or (tokens.holder, tokens.generation) != (holder, generation):
        return None
    return tokens


def _lose(book: Book, tokens: AppTokens, words: str, now: int) -> AppTokens:
    """Nobody uses the refresh token again; no new money until the owner connects again. Nothing is canceled."""
    tokens = tokens._replace(lost=1)
    book.put(tokens)
    _restrict(book, tokens.organization_id, tokens.connection_id, RECONNECT, words, now)
    return tokens


def _restrict(book: Book, organization_id: str, connection_id: str, code: str, words: str, now: int) -> None:
    connection = book.need(Connection, organization_id, connection_id)
    if connection.status in STANDING:
        follow_restrictions(book, connection, restrict(connection, code, words, now), ROONY, now)


def _lift(book: Book, organization_id: str, connection_id: str, now: int) -> None:
    connection = book.need(Connection, organization_id, connection_id)
    if connection.status in STANDING:
        follow_restrictions(book, connection, lift(connection, (RECONNECT,)), ROONY, now)
