"""Every job of the timetable and every look that this process can do, put together from its settings."""

from db.engine import UnitOfWork
from db.notifications import Channel
from db.sealing import Sealer
from dispatch import jobs
from dispatch.wake import Wake
from funding.flows.table import FLOWS
from ops import alerts
from ops.configured import enabled
from providers.registry import Providers
from settings import Settings
from workers.comparisons import Comparisons
from workers.doors import Doors
from workers.listings import looks_of, polls_of
from workers.polls import Polls
from workers.reports import DailyReports
from workers.sweeps import Sweeps, limits_of
from workers.turned_away import TurnedAway
from workers.walks import Walker


def make_polls(
    begin: UnitOfWork,
    *,
    providers: Providers,
    doors: Doors,
    turned_away: TurnedAway,
    wake: Wake,
    sealer: Sealer,
    settings: Settings,
) -> Polls:
    """What ticks and looks need, connected to nothing yet."""
    sweeps = Sweeps(
        begin=begin,
        limits=limits_of(FLOWS, settings.state_limits or {}),
        enabled=[name for name, on in enabled(settings).items() if on],
        alpaca=providers.ports().get("alpaca"),
        ibex=providers.ports().get("ibex"),
    )
    comparisons = Comparisons(begin=begin, providers=providers, poll=settings.poll)
    return Polls(
        begin=begin,
        walker=Walker(begin=begin, wake=wake, sealer=sealer),
        wake=wake,
        doors=doors,
        turned_away=turned_away,
        polls=polls_of(providers, settings.poll),
        looks=looks_of(providers, begin),
        chores={
            **sweeps.chores(),
            **comparisons.chores(),
            jobs.ALERTS: lambda _: watch_alerts(begin, wake, settings),
            jobs.REPORTS: DailyReports(begin=begin, wake=wake, channels=_people(settings)).keep_yesterday,
        },
        asks=comparisons.asks(),
    )


def watch_alerts(begin: UnitOfWork, wake: Wake, settings: Settings) -> str:
    """Tell people of what is wrong now and has lasted, and of what is over; only logged where nobody is to be told."""
    with begin() as connection:
        told = alerts.watch(connection, _people(settings))
    wake.notifications(told)
    return f"{len(told)} told"


def _people(settings: Settings) -> tuple[Channel, ...]:
    """The channel by which people are told; none where nobody is to be told."""
    return ("apprise",) if settings.notify.apprise_urls else ()
