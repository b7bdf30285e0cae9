"""One file a flow: its state machine, read top to bottom."""
