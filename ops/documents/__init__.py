"""The parts of `docs/` that are made from the flow tables and the ledger's rules."""
