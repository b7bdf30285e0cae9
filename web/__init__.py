"""The web process: the receiver of webhooks, health and metrics."""
