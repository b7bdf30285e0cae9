"""Pages for operations staff."""
