"""How others reach Roony: the HTTP API, the webhook door, health and docs."""
