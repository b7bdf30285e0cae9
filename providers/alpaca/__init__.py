"""Alpaca Broker API: journals, accounts, event streams."""
