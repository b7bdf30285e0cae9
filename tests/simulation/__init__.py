"""A seeded simulation: real step code, real Postgres, pretended providers, virtual time, faults at every boundary."""
