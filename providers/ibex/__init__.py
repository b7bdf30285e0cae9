"""IBEX Hub."""
