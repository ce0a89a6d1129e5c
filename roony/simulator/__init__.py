"""A Stripe that fits in a process: Issuing, Connect OAuth and webhooks over real HTTP, for development and tests.

It is a simulation: no money, no real cards. It imports nothing from the rest of Roony, so that it cannot share
Roony's mistakes, and any program can be pointed at it through the official SDK's `base_addresses`.
"""
