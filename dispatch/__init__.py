"""Announces work that is due. A failure to reach Redis is counted, never raised."""
