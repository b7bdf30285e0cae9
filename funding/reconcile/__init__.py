"""The rules that name a break."""
