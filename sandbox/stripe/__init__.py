"""Stripe's API, pretended."""
