"""The ledger's rules: balanced entries, built from facts."""
