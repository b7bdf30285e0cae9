"""What can be chosen of IBEX."""

from __future__ import annotations

from dataclasses import dataclass

IBEX_KEYS: frozenset[str] = frozenset({"ibex_clients", "ibex_logins", "ibex_webhook_secret"})


@dataclass(frozen=True)
class IbexConfig:
    """Each has a default that works; every name begins with `ibex_`. IBEX documents little: most choices are doubts."""

    ibex_rate_limit: int | None = None  # requests a minute; none is published
    ibex_clients: tuple[tuple[str, str], ...] = (("ibex-sandbox-client", "ibex-sandbox-secret"),)  # each is accepted
    ibex_audience: str = "https://api-sandbox.poweredbyibex.io"
    ibex_logins: tuple[tuple[str, str], ...] = (("ops@example.com", "ibex-sandbox-password"),)  # each is accepted
    ibex_token_seconds: float = 86_400.0  # how long an access token lives
    ibex_refresh_seconds: float = 604_800.0
    ibex_says_expiry: bool = True  # whether /oauth/token answers expires_in
    ibex_failed_signins: int = 5  # so many in a row block a login
    ibex_error_style: str = "error"  # or message, text: {"error": ...}, {"message": ...}, or the bare words
    ibex_account_id: str | None = None  # of the account made at the start, in USDT; drawn when absent
    ibex_account_balance: str = "0"
    ibex_bitcoin_price: str = "100000"  # dollars, for the rates of MSAT
    ibex_crypto: bool = True  # False: the organisation has no crypto feature, 403
    ibex_options: tuple[tuple[str, int], ...] = (("ethereum", 29), ("tron", 29))  # networks as spelled, currency ids
    ibex_option_ids: str = "some"  # or all, none: which options show their id
    ibex_receive_extras: bool = False  # whether a new receive info also says wallet_id, option_id, currency, ...
    ibex_receive_unit: str = "smallest"  # or whole: the balance of a receive info
    ibex_settle_seconds: float = 0.2  # a deposit's pending to completed; 0 completes at once
    ibex_decimals: int = 6  # up to 11: deposits carry dust behind the sixth place
    ibex_send_seconds: float = 0.2  # a send's pending to completed; 0 completes at once
    ibex_send_fee: str = "0"  # kept besides the amount sent
    ibex_hash_at_once: bool = False  # True: a send is on the chain, and has its hash, while it is still pending
    ibex_send_reply: tuple[str, ...] = ("transaction", "transactionHub", "cryptoTransaction")  # the parts answered
    ibex_hub_hash: str = "txHash"  # or transactionHash, hash: its name within transactionHub
    ibex_unset_time: str = "zero"  # or number, null: 0001-01-01T00:00:00Z, 0, null
    ibex_minus_sort: str = "newest"  # or oldest: what sort=-settledAt begins with; IBEX's own description says oldest
    ibex_first_page: int = 1  # or 0, of an account's transactions
    ibex_webhook_url: str | None = None  # every account then begins with a webhook
    ibex_webhook_secret: str = "ibex-sandbox-webhook-secret"  # noqa: S105 - made up; the secret of those webhooks
    ibex_webhook_conflict: int = 409  # or 400: the answer to a second webhook of an account
    ibex_webhook_shapes: tuple[str, ...] = ("account",)  # and flat, envelope: one deposit is told once in each
    ibex_webhook_secret_in: str = "usual"  # noqa: S105 - or secret, webhookSecret, data, header
    ibex_webhook_secret_as: str = "right"  # noqa: S105 - or wrong, other_case, empty, null, number, missing
    ibex_webhook_address: str = "present"  # or missing, metadata (both of account only), upper (of 0x addresses)
    ibex_webhook_unit: str = "whole"  # or smallest
    ibex_webhook_statuses: tuple[str, ...] = ("completed",)  # which changes are told
    ibex_webhook_silent: bool = False  # True: tells nothing by itself
    ibex_webhook_sends: bool = False  # whether sends are told too, in the account shape
