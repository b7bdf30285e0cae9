"""Bridge's API, pretended: customers, virtual accounts, transfers, drains, and webhooks signed twice digested."""
