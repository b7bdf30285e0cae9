"""What the flows ask of providers, in our words. Adapters under `providers/` answer; nothing here does I/O."""
