"""Due: transfers, virtual accounts, webhook deliveries."""
