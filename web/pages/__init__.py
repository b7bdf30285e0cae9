"""Pages for operations staff under /ops: signed in, read-only, one application of their own beside the door."""
