"""The command line of the simulator alone: `python -m roony.simulator --help`."""

from __future__ import annotations

import argparse

from roony.simulator.server import run


def main() -> None:
    """Parse the options and serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m roony.simulator",
        description="A simulated Stripe (Issuing, Connect, webhooks) on the loopback interface. No real money.",
    )
    parser.add_argument("--port", type=int, default=8001, help="port to listen on; 0 takes a free one (default 8001)")
    parser.add_argument("--webhook-url", help="where to send events of the own account and of connected accounts")
    parser.add_argument("--webhook-secret", help="signing secret of those endpoints (whsec_…); made up if not given")
    parser.add_argument("--secret-key", default="sk_test_simulator", help="API key of the simulated account")
    parser.add_argument("--state", help="file that keeps the simulated world across restarts")
    parser.add_argument("--ready-json", action="store_true", help="print one JSON line on stdout once it answers")
    parser.add_argument("--clock-file", help="24-byte file shared with a program that follows the simulated clock")
    parser.add_argument("--parent-pipe", action="store_true", help="end when standard input is closed")
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
