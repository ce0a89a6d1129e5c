"""The command line of the simulator alone: `python -m roony.simulator --help`."""

from __future__ import annotations

import argparse

from roony.simulator.server import run

_DESCRIPTION = """\
A simulated Stripe (Issuing, Connect, webhooks) on the loopback interface. No real money.
Point the official SDK at it, or open it in a browser to play the merchant."""
_EXAMPLES = """\
examples:
  python -m roony.simulator
  python -m roony.simulator --webhook-url http://localhost:4242/webhook --webhook-secret whsec_mine
  python -m roony.simulator --port 0 --ready-json     for a test that starts it and reads where it listens

then open http://localhost:8001/ or send  curl http://localhost:8001/v1/balance -u sk_test_simulator:
The whole guide is docs/simulator.md."""


def main() -> None:
    """Parse the options and serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m roony.simulator",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8001, help="port to listen on; 0 takes a free one (default 8001)")
    parser.add_argument(
        "--webhook-url",
        metavar="URL",
        help="where to send events of the own account and of connected accounts, and to ask in real time whether an "
        "authorization is approved; without it, register endpoints with POST /v1/webhook_endpoints",
    )
    parser.add_argument(
        "--webhook-secret",
        metavar="SECRET",
        help="signing secret of those endpoints (whsec_…); made up if not given, and told by --ready-json",
    )
    parser.add_argument(
        "--secret-key",
        metavar="KEY",
        default="sk_test_simulator",
        help="API key of the simulated account (default sk_test_simulator)",
    )
    parser.add_argument(
        "--state", metavar="FILE", help="SQLite file that keeps the simulated world across restarts; else it is lost"
    )
    parser.add_argument(
        "--ready-json",
        action="store_true",
        help="once it answers, print one line of JSON: url, secret_key, account, client_id, webhook_secret, pid",
    )
    parser.add_argument(
        "--clock-file", metavar="FILE", help="24-byte file shared with a program that follows the simulated clock"
    )
    parser.add_argument(
        "--parent-pipe",
        action="store_true",
        help="end when standard input is closed, so that it does not outlive the test that started it",
    )
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
