"""Bridge: virtual accounts, transfers, customers."""
