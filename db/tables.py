"""Every table, gathered for the migrations' drift check."""

from db.metadata import metadata

__all__ = ["metadata"]
