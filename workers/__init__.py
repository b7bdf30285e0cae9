"""The worker process: ingest, funding steps, polls, notifications."""
