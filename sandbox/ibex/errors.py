"""Ibex's answers other than success."""

from __future__ import annotations


class IbexError(Exception):
    """An answer other than success; the app chooses the shape of its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Bad(IbexError, ValueError):
    """400, also for refusals of business."""


class NotFound(IbexError, KeyError):
    """404."""


def bad(message: str) -> Bad:
    """400 in these words."""
    return Bad(400, message)


def not_found(what: str) -> NotFound:
    """404 of something."""
    return NotFound(404, f"{what} not found")
