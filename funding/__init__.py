"""What is true about the money: flows, ledger, rules. No I/O."""
