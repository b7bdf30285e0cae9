"""The chart of accounts: every place money can be, and nothing else."""

from funding.ledger.entries import HOUSE, LedgerAccount


def clearing(provider: str, asset: str) -> LedgerAccount:
    """What a provider holds for us on the way: must equal the balance the provider itself shows."""
    return LedgerAccount(owner=HOUSE, name=f"{provider}:clearing", kind="asset", asset=asset)


def bank(asset: str) -> LedgerAccount:
    """Money between two providers: paid out by one, not yet shown as arrived by the other."""
    return LedgerAccount(owner=HOUSE, name="bank", kind="asset", asset=asset)


def custody(provider: str, asset: str) -> LedgerAccount:
    """Customers' own cash at a broker: theirs, followed here so that it can be compared."""
    return LedgerAccount(owner=HOUSE, name=f"{provider}:custody", kind="asset", asset=asset)


def exchange(asset: str) -> LedgerAccount:
    """Where a conversion leaves one asset and enters another: zero again after each conversion."""
    return LedgerAccount(owner=HOUSE, name="exchange", kind="equity", asset=asset)


def fees_paid(provider: str, asset: str) -> LedgerAccount:
    """What a provider kept."""
    return LedgerAccount(owner=HOUSE, name=f"{provider}:fees", kind="expense", asset=asset)


def fees_passed_on(provider: str, asset: str) -> LedgerAccount:
    """What the customer bore of it."""
    return LedgerAccount(owner=HOUSE, name=f"{provider}:fees_passed_on", kind="income", asset=asset)


def rounding(asset: str) -> LedgerAccount:
    """What is left when dollars are rounded down to cents."""
    return LedgerAccount(owner=HOUSE, name="rounding", kind="income", asset=asset)


def suspense(asset: str) -> LedgerAccount:
    """Money whose owner is not known yet: never dropped, never lent."""
    return LedgerAccount(owner=HOUSE, name="suspense", kind="liability", asset=asset)


def deposit(customer: str, asset: str) -> LedgerAccount:
    """What we owe a customer while their deposit is on its way."""
    return LedgerAccount(owner=f"customer:{customer}", name="deposit", kind="liability", asset=asset)


def brokerage(customer: str, asset: str) -> LedgerAccount:
    """What has reached a customer's own brokerage account through us."""
    return LedgerAccount(
        owner=f"customer:{customer}", name="brokerage", kind="liability", asset=asset, may_go_below_zero=True
    )
