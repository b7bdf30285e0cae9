"""The demo: deposits through the whole system while providers misbehave and processes die, and what came of it."""

from ops.cli.demo.command import demo

__all__ = ["demo"]
