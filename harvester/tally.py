"""The tally: where events become numbers.

Hears every event of the log (``log.listen``) and is told by the outlets what they gave out, which
happens too often to be an event.  ``metrics.py`` writes it down for Prometheus.  Counts from the
start of the process; keeps nothing but numbers and the words below, so that whatever an event may
hold, the number of series stays small and no secret can become one's label.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from harvester.errors import BY_CODE
from harvester.ladder import Rung
from harvester.tripwire import Sign
from harvester.verdict import Verdict

# Upper ends in seconds.  A usual sign-in takes 2 to 15; the limit of one is 120 unless set.
SIGN_IN_BUCKETS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
RUNGS = tuple(get_args(Rung))
# The rungs that are a sign-in or a page load: those with a browser.
BROWSER_RUNGS = tuple(rung for rung in RUNGS if rung != "touch")
# How a rung ends: a session, nothing that helps, an error's code, or it was called off.
RESULTS = frozenset({"session", "no_help", "cancelled", *BY_CODE})
PROBE_VERDICTS = tuple(verdict.value for verdict in Verdict)
# What a report is answered, see the API; "error" where there was no session to give.
REPORT_VERDICTS = ("superseded", "alive", "refreshed", "unreachable", "error")
# What the site answered to requests that the proxy passed on.
ANSWERS = ("2xx", "3xx", "4xx", "5xx")
SIGNS = tuple(get_args(Sign))
# For a word that is none of those above: a later release said it.
OTHER = "other"

Labels = tuple[str, ...]


@dataclass(slots=True)
class Spread:
    """How long something took: for each bucket how many fell into it, and all of it together."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SIGN_IN_BUCKETS_S) + 1))
    sum_s: float = 0.0

    def add(self, took_s: float) -> None:
        place = sum(1 for end_s in SIGN_IN_BUCKETS_S if took_s > end_s)
        self.counts[place] += 1
        self.sum_s += took_s


class Tally:
    """Counts of one process.  Safe in any thread: events come from them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: Counter[Labels] = Counter()
        self._reports: Counter[Labels] = Counter()
        self._refreshes: Counter[Labels] = Counter()
        self._probes: Counter[Labels] = Counter()
        self._early_refusals: Counter[Labels] = Counter()
        self._alarms: Counter[Labels] = Counter()
        self._proxied: Counter[Labels] = Counter()
        self._replayed: Counter[Labels] = Counter()
        self._not_proxied: Counter[Labels] = Counter()
        self._sign_ins: dict[Labels, Spread] = {}

    # what it is told

    def hear(self, name: str, level: int, fields: Mapping[str, Any]) -> None:
        """An event of the log; most of them are no number."""
        profile = str(fields.get("profile", ""))
        match name:
            case "climb.rung_ended":
                self._rung_ended(profile, fields)
            case "probe":
                verdict = _one_of(PROBE_VERDICTS, fields.get("verdict"))
                self._add(self._probes, profile, verdict)
            case "session.refused_early":
                self._add(self._early_refusals, profile)
            case "alarm.raised":
                self._add(self._alarms, profile, _one_of(SIGNS, fields.get("sign")))
            case "file.written":
                self.served("file", profile, str(fields.get("format", "")))

    def served(self, outlet: str, profile: str, form: str) -> None:
        """A session was given out.  The outlets themselves know few words for ``form``."""
        labels, served = (outlet, profile, form), self._served
        with self._lock:  # not by ``_add``: this is for each request that is answered from memory
            served[labels] = served.get(labels, 0) + 1

    def reported(self, profile: str, verdict: str | None) -> None:
        """A report was answered; None: with an error."""
        self._add(self._reports, profile, _one_of(REPORT_VERDICTS, verdict or "error"))

    def proxied(self, profile: str, status: int) -> None:
        """The site answered a client of the proxy."""
        self._add(self._proxied, profile, _one_of(ANSWERS, f"{status // 100}xx"))

    def replayed(self, profile: str) -> None:
        """A request was sent once more, with another session than the refused one."""
        self._add(self._replayed, profile)

    def not_proxied(self, code: str) -> None:
        """The proxy itself answered, with this error."""
        self._add(self._not_proxied, code)

    def _rung_ended(self, profile: str, fields: Mapping[str, Any]) -> None:
        rung = _one_of(RUNGS, fields.get("rung"))
        result = _one_of(RESULTS, fields.get("result"))
        took_s = fields.get("took_s")
        self._add(self._refreshes, profile, rung, result)
        if rung in BROWSER_RUNGS and isinstance(took_s, int | float):
            with self._lock:
                self._sign_ins.setdefault((profile, rung, result), Spread()).add(float(took_s))

    def _add(self, counter: Counter[Labels], *labels: str) -> None:
        with self._lock:
            counter[labels] += 1

    # what it tells

    def sessions_served(self) -> Mapping[Labels, int]:
        """By outlet, profile and format."""
        return self._copy(self._served)

    def reports(self) -> Mapping[Labels, int]:
        """By profile and verdict."""
        return self._copy(self._reports)

    def refreshes(self) -> Mapping[Labels, int]:
        """By profile, rung and result."""
        return self._copy(self._refreshes)

    def probes(self) -> Mapping[Labels, int]:
        """By profile and verdict."""
        return self._copy(self._probes)

    def early_refusals(self) -> Mapping[Labels, int]:
        """By profile."""
        return self._copy(self._early_refusals)

    def alarms(self) -> Mapping[Labels, int]:
        """By profile and sign."""
        return self._copy(self._alarms)

    def proxy_answers(self) -> Mapping[Labels, int]:
        """By profile and class of status."""
        return self._copy(self._proxied)

    def proxy_replays(self) -> Mapping[Labels, int]:
        """By profile."""
        return self._copy(self._replayed)

    def proxy_errors(self) -> Mapping[Labels, int]:
        """By code."""
        return self._copy(self._not_proxied)

    def sign_ins(self) -> Mapping[Labels, Spread]:
        """By profile, rung and result."""
        with self._lock:
            return {
                labels: Spread(list(one.counts), one.sum_s)
                for labels, one in self._sign_ins.items()
            }

    def _copy(self, counter: Counter[Labels]) -> Mapping[Labels, int]:
        with self._lock:
            return dict(counter)


def _one_of(words: tuple[str, ...] | frozenset[str], said: object) -> str:
    return said if isinstance(said, str) and said in words else OTHER
