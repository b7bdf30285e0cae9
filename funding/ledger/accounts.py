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


def on_chain(asset: str) -> LedgerAccount:
    """Tokens between two providers: sent by one, not yet shown as arrived by the other."""
    return LedgerAccount(owner=HOUSE, name="on_chain", kind="asset", asset=asset)


def markup_kept(provider: str, asset: str) -> LedgerAccount:
    """Our own markup, held for us by the provider that charged it."""
    return LedgerAccount(owner=HOUSE, name=f"{provider}:markup_kept", kind="asset", asset=asset)


def markup(provider: str, asset: str) -> LedgerAccount:
    """What we earned with it."""
    return LedgerAccount(owner=HOUSE, name=f"{provider}:markup", kind="income", asset=asset)


def wallet(customer: str, asset: str) -> LedgerAccount:
    """A customer's tokens at IBEX, theirs to withdraw."""
    return LedgerAccount(owner=f"customer:{customer}", name="wallet", kind="liability", asset=asset)


def payout(customer: str, asset: str) -> LedgerAccount:
    """What we owe a customer while it is on its way to their bank, or on its way back from there."""
    return LedgerAccount(owner=f"customer:{customer}", name="payout", kind="liability", asset=asset)


def chain_wallet(customer: str, network: str, address: str, asset: str) -> LedgerAccount:
    """Coins in a customer's own wallet on a chain, which came there through us."""
    name = f"wallet:{network}:{address}"
    return LedgerAccount(owner=f"customer:{customer}", name=name, kind="liability", asset=asset)


def top_up(customer: str, asset: str) -> LedgerAccount:
    """What a customer has paid for and not claimed yet."""
    return LedgerAccount(owner=f"customer:{customer}", name="top_up", kind="liability", asset=asset)


def cash(customer: str, asset: str) -> LedgerAccount:
    """Money of a currency that a customer has claimed, theirs to spend."""
    return LedgerAccount(owner=f"customer:{customer}", name="cash", kind="liability", asset=asset)


def receivable(customer: str, asset: str) -> LedgerAccount:
    """What a customer owes us: money taken back that they had spent already."""
    return LedgerAccount(
        owner=f"customer:{customer}", name="receivable", kind="asset", asset=asset, may_go_below_zero=True
    )
