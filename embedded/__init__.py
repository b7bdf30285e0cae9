"""Real Postgres and Valkey from wheels, in a private folder, for machines that have none."""
