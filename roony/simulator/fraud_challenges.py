"""Fraud challenges: an SMS asks the cardholder about a declined payment, and the answer counts later (facts 2.4)."""

from __future__ import annotations

import re

from roony.simulator.events import emit
from roony.simulator.lifecycle import mark_as_fraud
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.views import authorization_view, frozen, previous_attributes
from roony.simulator.world import World

# Stripe publishes that a challenge expires, not after how long; a day is this simulation's choice.
ANSWER_SECONDS = 24 * 3600
_REACHABLE = re.compile(r"\+[1-9][0-9]{6,14}")


def send(world: World, authorization: Record) -> None:
    """Ask the cardholder of a declined authorization by SMS; without a usable number the challenge says why not."""
    number = world.cardholders[authorization["cardholder"]]["body"]["phone_number"]
    reason = None
    if not number:
        reason = "no_phone_number"
    elif not _REACHABLE.fullmatch(number):
        reason = "unsupported_phone_number"
    status = "pending" if reason is None else "undeliverable"
    authorization["body"]["fraud_challenges"] = [{"channel": "sms", "status": status, "undeliverable_reason": reason}]
    world.authorizations.touch(authorization)
    if reason is None:
        world.challenges.add(
            {
                "id": authorization["id"],
                "card": authorization["card"],
                "merchant": authorization["body"]["merchant_data"]["network_id"],
                "until": world.clock.now() + ANSWER_SECONDS,
                "status": status,
            }
        )


def respond(world: World, authorization: Record, *, confirmed: bool) -> None:
    """Take the cardholder's answer: it was me (verified), or it was not (rejected, and the card is warned about)."""
    expire_due(world)
    challenge = world.challenges.get(authorization["id"])
    if challenge is None:
        raise invalid("This authorization has no fraud challenge that could be answered.")
    if challenge["status"] != "pending":
        raise invalid(f"The fraud challenge of this authorization is {challenge['status']}: it is over.")
    _end(world, challenge, "verified" if confirmed else "rejected")
    if not confirmed:
        mark_as_fraud(world, world.cards[authorization["card"]])


def expire_due(world: World) -> None:
    """End the challenges nobody answered in time, by the simulated clock."""
    for challenge in world.challenges:
        if challenge["status"] == "pending" and challenge["until"] <= world.clock.now():
            _end(world, challenge, "expired")


def passed(world: World, card: str, merchant: str) -> bool:
    """Whether the cardholder has confirmed an earlier payment of this card at this merchant."""
    return any(
        challenge["merchant"] == merchant and challenge["status"] == "verified"
        for challenge in world.challenges.where("card", card)
    )


def _end(world: World, challenge: Record, status: str) -> None:
    authorization = world.authorizations[challenge["id"]]
    before = frozen(authorization_view(world, authorization))
    challenge["status"] = status
    authorization["body"]["fraud_challenges"][0]["status"] = status
    world.challenges.touch(challenge)
    world.authorizations.touch(authorization)
    after = authorization_view(world, authorization)
    emit(world, authorization["account"], "issuing_authorization.updated", after, previous_attributes(before, after))
