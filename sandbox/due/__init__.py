"""Due, pretended: accounts, virtual accounts, transfers and signed webhooks."""
