"""Who deposits: somebody with a virtual account at Due and a brokerage account at Alpaca."""

from dataclasses import dataclass

from db.customers import NewLink

HAPPY = ("awaiting_funds", "funds_received", "approved", "payment_submitted", "payment_processed")


@dataclass(frozen=True, slots=True)
class Person:
    """`name` is the customer's id here; the rest are the providers' own."""

    name: str
    account: str
    virtual_account: str
    brokerage: str

    def due_link(self, mode: str = "va_auto") -> NewLink:
        return NewLink(
            customer=self.name,
            provider="due",
            kind="virtual_account",
            external_id=self.virtual_account,
            attributes={"mode": mode, "account": self.account},
        )

    def alpaca_link(self) -> NewLink:
        return NewLink(
            customer=self.name, provider="alpaca", kind="brokerage_account", external_id=self.brokerage, attributes={}
        )
