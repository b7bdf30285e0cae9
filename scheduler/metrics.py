"""The clock's own counters. Each help text is the question that the metric answers."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ClockMetrics:
    """Counters of one clock process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.leading = Gauge(
            "rampkeeper_clock_leading", "Does this clock lead (1) or follow (0)?", registry=self.registry
        )
        self.runs = Counter(
            "rampkeeper_clock_runs",
            "How did the clock's own jobs end? result: done, database, error, missed, skipped.",
            ("job", "result"),
            registry=self.registry,
        )
        self.ticks = Counter(
            "rampkeeper_clock_ticks", "How many ticks did this clock make?", ("job",), registry=self.registry
        )
        self.announced = Counter(
            "rampkeeper_clock_announced",
            "How much was announced as due? kind: flows, events, ticks, looks, notifications.",
            ("kind",),
            registry=self.registry,
        )
        self.freed = Counter(
            "rampkeeper_clock_freed",
            "How much was taken from workers that are gone? kind: sessions, flows.",
            ("kind",),
            registry=self.registry,
        )
        self.silent = Gauge(
            "rampkeeper_clock_silent_jobs", "How many jobs have had no tick for two intervals?", registry=self.registry
        )
        self.frames = Counter(
            "rampkeeper_stream_frames",
            "How many frames did event streams bring? result: accepted, duplicate.",
            ("provider", "stream", "result"),
            registry=self.registry,
        )
        self.streams_open = Gauge(
            "rampkeeper_stream_open", "Is the stream being read (1)?", ("provider", "stream"), registry=self.registry
        )
        self.stream_breaks = Counter(
            "rampkeeper_stream_breaks", "How often did a stream end?", ("provider", "stream"), registry=self.registry
        )
