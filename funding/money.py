"""Money: whole numbers of minor units, with the asset whose scale they count."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation
from typing import Final, Self

SCALES: Final = {
    "USD": 2,
    "USDC": 6,
    "USDT": 6,
    "USD_6": 6,  # what is left of a dollar when it is rounded down to cents
}
DIGITS: Final = 38  # what numeric(38,0) holds
LONGEST: Final = DIGITS + 20  # characters of an amount
_EXACT: Final = Context(prec=2 * LONGEST)  # Python's own context rounds, or refuses, what has more than 28 digits


class NotMoney(ValueError):
    """A text that is no decimal amount of that asset. The message names the reason, never the text."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`minor` whole minor units of `asset`, for example 24925 of USD, which is 249.25 dollars."""

    minor: int
    asset: str

    @property
    def scale(self) -> int:
        """How many decimal places a major unit of the asset has."""
        return scale_of(self.asset)

    @classmethod
    def parse(cls, text: str, asset: str) -> Self:
        """Read a provider's decimal string in major units.

        Raises: NotMoney: not a plain decimal, more places than the asset's scale, or too large.
        """
        money, rest = cls.parse_floor(text, asset)
        if rest:
            raise NotMoney(f"more than {scale_of(asset)} decimal places for {asset}")
        return money

    @classmethod
    def parse_floor(cls, text: str, asset: str) -> tuple[Self, Decimal]:
        """Read a decimal string, rounded down to the asset's scale, and what was cut off (major units)."""
        if not isinstance(text, str) or len(text) > LONGEST:
            raise NotMoney("an amount must be a decimal string of sensible length")
        if not text.isascii() or "_" in text or text != text.strip():  # Decimal would read them all the same
            raise NotMoney("not a plain decimal number")
        try:
            value = Decimal(text)
        except InvalidOperation as error:
            raise NotMoney("not a decimal number") from error
        if not value.is_finite():
            raise NotMoney("not a finite number")
        if value.adjusted() > DIGITS - scale_of(asset) - 2 or value.adjusted() < -DIGITS:
            raise NotMoney("out of the range of amounts")
        return cls.floor(value, asset)

    @classmethod
    def floor(cls, value: Decimal, asset: str) -> tuple[Self, Decimal]:
        """Major units, of no more digits than an amount may have, as whole minor units rounded down, and the rest."""
        scale = scale_of(asset)
        minor = int(value.scaleb(scale, _EXACT).to_integral_value(ROUND_FLOOR))
        return cls(minor, asset), _EXACT.subtract(value, Decimal(minor).scaleb(-scale, _EXACT))

    def text(self) -> str:
        """The amount in major units with all places of the scale: "249.25"."""
        return f"{Decimal(self.minor).scaleb(-self.scale, _EXACT):f}"

    def __str__(self) -> str:
        return f"{self.text()} {self.asset}"


def scale_of(asset: str) -> int:
    """Decimal places of a major unit.

    Raises: NotMoney: an asset nobody has given a scale.
    """
    try:
        return SCALES[asset]
    except KeyError:
        raise NotMoney(f"unknown asset; known are {', '.join(sorted(SCALES))}") from None
