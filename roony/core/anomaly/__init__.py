"""Unusual patterns in what an agent buys: rules with thresholds learned from its own past, for people to look at."""
