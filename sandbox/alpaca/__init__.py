"""Alpaca's Broker API, pretended: accounts, journals, activities and event streams."""
