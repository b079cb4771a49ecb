"""The status as Prometheus text: the only door to prometheus-client.

Made anew from the status at each scrape, so that there is one truth and nothing to keep in step.
Shows names of profiles and codes, never a value of a cookie or who signed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from harvester.clock import parse_rfc3339

_TIMES = {
    "obtained_at": "When the session was obtained.",
    "proved_at": "When the site last accepted the session.",
    "expires_at": "When the session ends, as far as is known.",
    "next_refresh_at": "When the session is refreshed next.",
}


def metrics_text(status: Mapping[str, Any]) -> bytes:
    """``status`` is the object of ``GET /v1/status``."""
    registry = CollectorRegistry()
    registry.register(_Status(status))
    return generate_latest(registry)


class _Status(Collector):
    def __init__(self, status: Mapping[str, Any]) -> None:
        self._profiles: list[Mapping[str, Any]] = list(status["profiles"])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield self._each("ready", "Whether a session would work.", "ready")
        yield self._each("generation", "How many sessions this profile has had.", "generation")
        yield self._each("durable", "Whether the session is safely stored.", "durable")
        for name, means in _TIMES.items():
            yield self._time(name, means)
        latched = GaugeMetricFamily(
            "harvester_latched", "1 where only a person can help.", labels=["profile", "code"]
        )
        budgets = GaugeMetricFamily(
            "harvester_budget_left", "Attempts that may still be made.", labels=["profile", "of"]
        )
        for one in self._profiles:
            if one["latch"] is not None:
                latched.add_metric([one["profile"], str(one["latch"]["code"])], 1.0)
            for budget, left in one["budgets"].items():
                budgets.add_metric([one["profile"], budget], float(left))
        yield latched
        yield budgets

    def _each(self, name: str, means: str, field: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"harvester_{name}", means, labels=["profile"])
        for one in self._profiles:
            family.add_metric([one["profile"]], float(one[field] or 0))
        return family

    def _time(self, field: str, means: str) -> GaugeMetricFamily:
        name = f"harvester_{field.removesuffix('_at')}_timestamp_seconds"
        family = GaugeMetricFamily(name, means, labels=["profile"])
        for one in self._profiles:
            at = parse_rfc3339(one[field])
            if at is not None:
                family.add_metric([one["profile"]], at)
        return family
