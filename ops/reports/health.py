"""What may be wrong with an installation, each with what to do about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection

from db import clock, pulse
from ops.reports.cells import cell, length_text

OLDEST_POSTGRES: Final = 15
OLDEST_REDIS: Final = (6, 2)
SKEW: Final = timedelta(seconds=2)  # more, and times of ours and the database's cannot be compared by eye
LATE: Final = timedelta(minutes=5)  # how long the flow due longest may have waited


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at. `mend` says what to do; None when it is well."""

    name: str
    detail: str
    mend: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done."""
        return self.mend is None


def check_server(found: pulse.Server, *, our_clock: datetime) -> Iterator[Check]:
    """The database server: new enough, the primary, and with a clock like ours."""
    major = found.version // 10_000
    what = f"PostgreSQL {major}, {'a replica' if found.replica else 'the primary'}"
    mend = None
    if major < OLDEST_POSTGRES:
        mend = f"move to PostgreSQL {OLDEST_POSTGRES} or newer"
    elif found.replica:
        mend = "point DATABASE_URL at the primary: money decisions never read a replica"
    yield Check(name="postgres", detail=what, mend=mend)
    skew = abs(found.clock - our_clock)
    yield Check(
        name="clock skew",
        detail=f"{skew.total_seconds():.1f} s between this machine and the database",
        mend="have both machines follow the same time servers (NTP)" if skew > SKEW else None,
    )


def check_redis(url: str) -> Check:
    """Redis or Valkey: reachable, new enough, and forgetting nothing by itself."""
    try:
        with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            info: Mapping[str, Any] = client.info()
    except (RedisError, OSError, ValueError) as error:
        mend = "start it, or mend REDIS_URL; until then workers take due rows from Postgres once a second"
        return Check(name="redis", detail=f"cannot be reached: {type(error).__name__}", mend=mend)
    version = str(info.get("valkey_version") or info["redis_version"])
    policy = str(info.get("maxmemory_policy", "unknown"))
    detail = f"{'Valkey' if 'valkey_version' in info else 'Redis'} {version}, {policy}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        return Check(name="redis", detail=detail, mend="move to Redis 6.2, Valkey 7.2 or newer")
    if policy != "noeviction":
        mend = "set maxmemory-policy noeviction: announcements must not be dropped when memory is short"
        return Check(name="redis", detail=detail, mend=mend)
    return Check(name="redis", detail=detail)


def check_fleet(connection: Connection) -> Iterator[Check]:
    """Workers, clock, timetable, backlog and providers, as the database sees them."""
    now = pulse.pulse(connection)
    yield Check(
        name="workers",
        detail=f"{now.workers} alive",
        mend=None if now.workers else "start one: python -m workers",
    )
    leads = f"leads until {cell(now.clock_until)}" if now.clock_until else "none has ever led"
    yield Check(
        name="clock",
        detail=leads if now.clock_leads or not now.clock_until else f"led until {cell(now.clock_until)}",
        mend=None if now.clock_leads else "start one: python -m scheduler",
    )
    silent = clock.silent_jobs(connection)
    names = ", ".join(f"{job.job} for {length_text(job.silent_for)}" for job in silent)
    yield Check(
        name="timetable",
        detail=f"silent: {names}" if silent else "every job has ticked within two of its intervals",
        mend="see that the clock runs and reaches the database" if silent else None,
    )
    waited = timedelta(seconds=now.oldest_due_s)
    yield Check(
        name="backlog",
        detail=f"the flow due longest waits {length_text(waited)}",
        mend="start more workers, or see what holds them up" if waited > LATE else None,
    )
    stopped = [*(f"{name} paused" for name in now.paused), *(f"{name}'s breaker is open" for name in now.broken)]
    yield Check(
        name="providers",
        detail=", ".join(stopped) or "none paused, no breaker open",
        mend="see `rampkeeper providers list`, then `providers resume`" if stopped else None,
    )
    waiting = f"{now.open_letters} dead letters and {now.open_breaks} breaks are open"
    yield Check(name="desk", detail=waiting)
