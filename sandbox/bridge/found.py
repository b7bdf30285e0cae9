"""Looking things up for a caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from sandbox.bridge.errors import BridgeError
from sandbox.bridge.model import Customer, Record
from sandbox.world import World

One = TypeVar("One", bound=Record)


def found(world: World, among: Mapping[str, One], wanted: str, what: str, customer_id: str | None = None) -> One:
    """The record with this id; another customer's is as good as none. Raises: BridgeError not_found."""
    record = among.get(wanted)
    if record is None or customer_id not in {None, record.customer_id}:
        raise BridgeError(world.config.bridge_not_found_status, "not_found", f"{what} not found")
    return record


def customer(world: World, customer_id: str) -> Customer:
    """A customer. Raises: BridgeError not_found."""
    return found(world, world.bridge.customers, customer_id, "customer")


def ready_customer(world: World, customer_id: str) -> Customer:
    """A customer who may move money. Raises: BridgeError not_found, or 400 with why not."""
    one = customer(world, customer_id)
    world.bridge.people.must_be_ready(one)
    return one
