"""The database: one file an aggregate, table first, its queries after."""
