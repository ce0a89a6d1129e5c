"""Roony: a self-hosted financial firewall for AI agents."""

__version__ = "0.1.0"
