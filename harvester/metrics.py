"""Status and tally as Prometheus text: the only door to prometheus-client.

Gauges are made anew from the status at each scrape, so that there is one truth and nothing to
keep in step; counters come from the tally.  Shows names of profiles and codes, never a value of a
cookie or who signed in.  A counter that can be foreseen begins at 0: a rate over one that appears
with its first event would miss just that event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from harvester.clock import parse_rfc3339
from harvester.tally import (
    ANSWERS,
    PROBE_VERDICTS,
    REPORT_VERDICTS,
    SIGN_IN_BUCKETS_S,
    SIGNS,
    Labels,
    Spread,
    Tally,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST

_TIMES = {
    "obtained_at": "When the session was obtained.",
    "proved_at": "When the site last accepted the session.",
    "expires_at": "When the session ends, as far as is known.",
    "next_refresh_at": "When the session is refreshed next.",
}


def metrics_text(status: Mapping[str, Any], tally: Tally) -> bytes:
    """``status`` is the object of ``GET /v1/status``; ``CONTENT_TYPE`` is the text's."""
    registry = CollectorRegistry()
    registry.register(_Status(status))
    registry.register(_Tallied(tally, [one["profile"] for one in status["profiles"]]))
    return generate_latest(registry)


class _Status(Collector):
    """How everything stands now."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self._status = status
        self._profiles: list[Mapping[str, Any]] = list(status["profiles"])

    def collect(self) -> Iterator[Metric]:
        yield from self._process()
        yield self._each("ready", "Whether a session would work.", "ready")
        yield self._each("generation", "The number of the present session.", "generation")
        yield self._each("durable", "Whether the session is safely stored.", "durable")
        for name, means in _TIMES.items():
            yield self._time(name, means)
        yield self._each(
            "session_age_seconds", "Since the session was obtained.", "age_s", where_known=True
        )
        yield from self._life()
        latched = GaugeMetricFamily(
            "harvester_latched", "1 where only a person can help.", labels=["profile", "code"]
        )
        alarm = GaugeMetricFamily(
            "harvester_alarm", "1 while a sign of a stranger's hand stands.", labels=["profile"]
        )
        held = GaugeMetricFamily(
            "harvester_held", "1 while nothing is handed out because of it.", labels=["profile"]
        )
        budgets = GaugeMetricFamily(
            "harvester_budget_left", "Attempts that may still be made.", labels=["profile", "of"]
        )
        for one in self._profiles:
            stands = one.get("alarm") or {}
            alarm.add_metric([one["profile"]], float(bool(stands)))
            held.add_metric([one["profile"]], float(bool(stands.get("held"))))
            if one["latch"] is not None:
                latched.add_metric([one["profile"], str(one["latch"]["code"])], 1.0)
            for budget, left in one["budgets"].items():
                budgets.add_metric([one["profile"], budget], float(left))
        yield latched
        yield alarm
        yield held
        yield budgets

    def _process(self) -> Iterator[Metric]:
        if version := self._status.get("harvester"):
            info = GaugeMetricFamily(
                "harvester_build_info", "Always 1; which release this is.", labels=["version"]
            )
            info.add_metric([str(version)], 1.0)
            yield info
        started_at = parse_rfc3339(self._status.get("started_at"))
        if started_at is not None:
            yield GaugeMetricFamily(
                "harvester_start_timestamp_seconds", "When the daemon started.", value=started_at
            )
        yield GaugeMetricFamily(
            "harvester_files_not_written",
            "Kept files that could not be written when it was last tried.",
            value=float(len(self._status.get("file_troubles") or ())),
        )

    def _each(
        self, name: str, means: str, field: str, *, where_known: bool = False
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"harvester_{name}", means, labels=["profile"])
        for one in self._profiles:
            if one.get(field) is not None or not where_known:
                family.add_metric([one["profile"]], float(one.get(field) or 0))
        return family

    def _time(self, field: str, means: str) -> GaugeMetricFamily:
        name = f"harvester_{field.removesuffix('_at')}_timestamp_seconds"
        family = GaugeMetricFamily(name, means, labels=["profile"])
        for one in self._profiles:
            at = parse_rfc3339(one[field])
            if at is not None:
                family.add_metric([one["profile"]], at)
        return family

    def _life(self) -> Iterator[Metric]:
        """What is known of how long a session lives; nothing where nothing is."""
        life_s = GaugeMetricFamily(
            "harvester_session_life_seconds",
            "How long a session of this profile lives, as far as was learned or declared.",
            labels=["profile", "kind"],
        )
        confidence = GaugeMetricFamily(
            "harvester_session_life_confidence_ratio",
            "How sure that life is, from 0 to 1.",
            labels=["profile"],
        )
        for one in self._profiles:
            life = one.get("life")
            if life and life.get("life_s") is not None:
                life_s.add_metric([one["profile"], str(life["kind"])], float(life["life_s"]))
                confidence.add_metric([one["profile"]], float(life["confidence"]))
        yield life_s
        yield confidence


class _Tallied(Collector):
    """What was counted since the start."""

    def __init__(self, tally: Tally, profiles: Sequence[str]) -> None:
        self._tally = tally
        self._profiles = profiles

    def collect(self) -> Iterator[Metric]:
        yield _counter(
            "sessions_served",
            "Sessions given out.",
            ("outlet", "profile", "format"),
            self._tally.sessions_served(),
        )
        yield _counter(
            "reports",
            "Reports of a refused session, by what they were answered.",
            ("profile", "verdict"),
            self._tally.reports(),
            foreseen=[(name, verdict) for name in self._profiles for verdict in REPORT_VERDICTS],
        )
        yield _counter(
            "refreshes",
            "Rungs of the ladder that were taken, by how they ended.",
            ("profile", "rung", "result"),
            self._tally.refreshes(),
        )
        yield _counter(
            "probes",
            "Probes of the session, by the site's verdict.",
            ("profile", "verdict"),
            self._tally.probes(),
            foreseen=[(name, verdict) for name in self._profiles for verdict in PROBE_VERDICTS],
        )
        yield _counter(
            "early_refusals",
            "Sessions that the site refused long before their known end.",
            ("profile",),
            self._tally.early_refusals(),
            foreseen=[(name,) for name in self._profiles],
        )
        yield _counter(
            "alarms",
            "Signs of a stranger's hand.",
            ("profile", "sign"),
            self._tally.alarms(),
            foreseen=[(name, sign) for name in self._profiles for sign in SIGNS],
        )
        yield _counter(
            "proxy_answers",
            "The site's answers to requests through the proxy.",
            ("profile", "status"),
            self._tally.proxy_answers(),
            foreseen=[(name, answer) for name in self._profiles for answer in ANSWERS],
        )
        yield _counter(
            "proxy_replays",
            "Requests that the proxy sent once more after a 401.",
            ("profile",),
            self._tally.proxy_replays(),
            foreseen=[(name,) for name in self._profiles],
        )
        yield _counter(
            "proxy_errors",
            "Requests that the proxy itself answered with an error.",
            ("code",),
            self._tally.proxy_errors(),
        )
        seconds = HistogramMetricFamily(
            "harvester_sign_in_seconds",
            "How long the rungs with a browser took, waiting for the account's lock included.",
            labels=["profile", "rung", "result"],
        )
        for labels, spread in sorted(self._tally.sign_ins().items()):
            seconds.add_metric(labels, _buckets(spread), spread.sum_s)
        yield seconds


def _counter(
    name: str,
    means: str,
    labels: Labels,
    counts: Mapping[Labels, int],
    *,
    foreseen: Sequence[Labels] = (),
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"harvester_{name}", means, labels=labels)
    for values, count in sorted({**dict.fromkeys(foreseen, 0), **counts}.items()):
        family.add_metric(values, count)
    return family


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    """As Prometheus has them: each counts all that took no longer than its end."""
    ends = [*(str(end_s) for end_s in SIGN_IN_BUCKETS_S), "+Inf"]
    return list(zip(ends, (float(count) for count in accumulate(spread.counts)), strict=True))
