"""`rampkeeper`: the command line. Each command group is a module of this package, named in the table below."""

import sys
from typing import Final

import click

from ops.cli.lazy import LazyGroup, Place

PLACES: Final = {
    "migrate": Place("ops.cli.migrate:migrate", "Bring the database's schema to this checkout's newest."),
    "doctor": Place("ops.cli.doctor:doctor", "Check settings, servers, schema, clock and keys; say what to mend."),
    "up": Place("ops.cli.up:up", "Run the whole system until Ctrl-C."),
    "demo": Place("ops.cli.demo:demo", "Send deposits through the whole system with faults on."),
    "sandbox": Place("ops.cli.sandbox:sandbox", "Run the pretended providers until Ctrl-C."),
    "password-hash": Place("ops.cli.password_hash:password_hash", "Make the hash of a password for OPS_USERS."),
    "recover": Place("ops.cli.recover:recover", "After lost commits: look before creating, read again."),
    "customers": Place("ops.cli.customers:customers", "Customers and their links."),
    "bridge": Place("ops.cli.bridge:bridge", "Customers at Bridge: identity checks, virtual accounts, banks."),
    "events": Place("ops.cli.events:events", "The inbox: what providers told us."),
    "flows": Place("ops.cli.flows:flows", "The movements of money."),
    "dead-letters": Place("ops.cli.dead_letters:dead_letters", "Work that waits for a person."),
    "reconcile": Place("ops.cli.reconcile:reconcile", "Our records against a provider's; the breaks between them."),
    "report": Place("ops.cli.report:report", "Reports for people: text, json, csv or html."),
    "ledger": Place("ops.cli.ledger:ledger", "Balances and journal entries."),
    "providers": Place("ops.cli.providers:providers", "Each provider as we see it; pause and resume."),
    "notifications": Place("ops.cli.notifications:notifications", "What the team and its people were told."),
    "withdrawals": Place("ops.cli.withdrawals:withdrawals", "Tokens paid out to customers' banks."),
    "top-ups": Place("ops.cli.top_ups:top_ups", "Coins and money that customers buy at Stripe."),
    "audit": Place("ops.cli.audit:audit", "What was done by whom."),
}


@click.group(
    cls=LazyGroup, places=PLACES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--instance", metavar="NAME", help="Which running instance of this checkout, where several run.")
def cli(instance: str | None) -> None:
    """Rampkeeper keeps money moving over other people's ramps."""


def main() -> None:
    """Run the command line; exit 0 done, 1 it found or did something wrong, 2 the call was wrong."""
    if any("\udc80" <= letter <= "\udcff" for word in sys.argv for letter in word):  # how Python keeps other bytes
        sys.stderr.write("Error: a word of this command is not UTF-8\n")
        sys.exit(2)
    cli(prog_name="rampkeeper")


if __name__ == "__main__":
    main()
