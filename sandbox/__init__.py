"""The providers, pretended: an independent server with memory, signatures, webhooks and faults."""
