"""Read models for people: what pages and the command line show."""
