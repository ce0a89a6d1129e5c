"""Buy one thing, waiting for a person where the rules want one. Run it against `roony serve --simulate`.

    roony control set approval_threshold=10000 --scope "$AGENT_ID"     # as the owner, so that 120.00 needs a yes
    python examples/buy_with_approval.py Figma 12000                   # as the agent: ROONY_URL, ROONY_AGENT_KEY
    roony approval list; roony approval approve apr_…                  # as the owner, in another terminal

Exit codes are those of `roony purchase`: 0 bought, 1 failed, 3 still waiting, 4 declined.
"""

from __future__ import annotations

import sys

from roony.client import Roony, RoonyError
from roony.client.answers import Purchase

PATIENCE_SECONDS = 600.0


def main(merchant: str, amount: int) -> int:
    """Ask, wait, get the card. `amount` in cents."""
    with Roony() as roony:
        purchase: Purchase = roony.request_purchase(
            amount=amount,
            currency="usd",
            merchant={"name": merchant, "category": "computer_software_stores", "country": "US"},
            description=f"1 month of {merchant}",
        )
        print(f"{purchase['id']}: {purchase['status']}")
        approval = purchase["approval"]
        if purchase["status"] == "awaiting_approval" and approval is not None:
            print(f"A person decides until {approval['expires_at']}.", flush=True)
            print(f"As the owner: roony approval approve {approval['id']}", flush=True)
        if purchase["status"] in ("awaiting_approval", "issuing"):
            purchase = roony.wait_until_ready(purchase["id"], timeout=PATIENCE_SECONDS)
            print(f"{purchase['id']}: {purchase['status']}")
        for reason in purchase["decision"]["reasons"]:
            print(f"  {reason['code']}: {reason['message']}")
        if purchase["status"] == "declined":
            return 4
        if purchase["status"] in ("awaiting_approval", "issuing"):
            return 3
        if purchase["status"] != "ready":
            return 1
        details = roony.get_card(purchase["id"], purpose=f"checkout at {merchant}")
        if details["delivery"] == "raw":
            # Here the agent fills in the checkout. A number belongs into the form only: in no log and no prompt.
            print(f"Ready to pay with the card ending in {details['number'][-4:]}.")
        elif details["delivery"] == "reveal":
            print(f"A person sees the card once at {details['url']}")
        return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "Figma", int(sys.argv[2]) if len(sys.argv) > 2 else 4_900))
    except (RoonyError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
