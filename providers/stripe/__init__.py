"""Stripe: onramp and Checkout sessions, refunds, disputes."""
