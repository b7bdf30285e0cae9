"""How each provider is spoken to: one folder a provider."""
