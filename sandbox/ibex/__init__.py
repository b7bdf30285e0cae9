"""IBEX Hub's API, pretended: accounts, stablecoin addresses, sends, transactions and webhooks."""
