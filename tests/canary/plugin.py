"""The pytest plugin: listens while a test runs, searches what it left, and fails it for a hit.

Each worker of pytest-xdist looks at its own tests; what was searched is added up by the process
that started them, which fails the run where an outlet is no longer needed.  ``-p no:canary``
leaves it out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from canary import plants, trees
from canary.marks import make_recognisable
from canary.outlets import OUTLETS, outlet_of
from canary.processes import SAMPLED, Processes
from canary.scan import Hit, Searched, search
from canary.taps import Scope, Taps

REPORTED = "canary"


class Canary:
    """One worker's, or that of a run without workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.searched = Searched()
        self.used: Counter[str] = Counter()
        self.hits: list[str] = []
        self.spent_s = 0.0
        self.left_out = 0
        self._temp: trees.TempDirectory | None = None
        self._taps = Taps()
        self._processes = Processes(self._seen)
        self._proved = False

    def _seen(self, kind: str, where: str, data: bytes) -> None:
        scope = self._taps.scope
        if scope is not None:
            scope.text(kind, where, data)

    # hooks

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        make_recognisable()
        # Found first, so that tests have their directories where they always have.
        self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        self._temp = trees.TempDirectory()
        self._taps.put_in()
        self._processes.start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        if not self._proved:
            self._prove(item)
        self._taps.scope = Scope(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            result = yield
        finally:
            scope, self._taps.scope = self._taps.scope, None
            hits = [] if scope is None else self._search(item, scope)
        if hits:
            pytest.fail("\n".join(["secrets were found:", *map(str, hits)]), pytrace=False)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._processes.stop()
        self._taps.take_out()
        scope = Scope("the end of the run")
        if self._temp is not None:
            self._judge(search(scope.test, self._temp.left(), scope.known, self.searched))
            self._temp.close()
        told = {
            "places": dict(self.searched.places),
            "bytes": dict(self.searched.bytes),
            "secrets": dict(self.searched.secrets),
            "used": dict(self.used),
            "hits": self.hits,
            "spent_s": self.spent_s,
            "left_out": self.left_out,
            "closed": self._processes.closed,
        }
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[REPORTED] = told
        else:
            self._config.stash[TOLD].append(told)

    # what they do

    def _search(self, item: pytest.Item, scope: Scope) -> list[Hit]:
        began = time.thread_time()
        for phase, what, text in item._report_sections:
            scope.text("captured", f"{what} of {phase}", text)
        trees.keys(scope.directories, scope.known)
        places = [
            *scope.places(),
            *trees.files(scope.directories, scope.own_files),
            *trees.evidence(scope.directories),
        ]
        hits = self._judge(search(scope.test, places, scope.known, self.searched))
        self.left_out += scope.known.left_out
        self.spent_s += time.thread_time() - began
        return hits

    def _judge(self, hits: list[Hit]) -> list[Hit]:
        bad = []
        for hit in hits:
            outlet = outlet_of(hit)
            if outlet is None:
                bad.append(hit)
            else:
                self.used[outlet.name] += 1
        self.hits += [f"{hit.test}: {hit}" for hit in bad]
        return bad

    def _prove(self, item: pytest.Item) -> None:
        began = time.thread_time()
        self._proved = True
        scope = self._taps.scope = Scope("the plants")
        capture = self._capture()
        try:
            at = Path(item.config._tmp_path_factory.mktemp("canary-plants"))  # type: ignore[attr-defined]
            plants.planted(scope, self._processes, capture)
        finally:
            self._taps.scope = None
        assert self._temp is not None
        places = [*scope.places(), *plants.files(at), *plants.left_behind(self._temp)]
        hits = search(scope.test, places, scope.known, Searched())
        self.spent_s += time.thread_time() - began
        try:
            plants.judge(hits, captures=capture is not None)
        except plants.NotFound as error:
            self.hits.append(str(error))
            pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)

    def _capture(self) -> Any:
        manager = self._config.pluginmanager.getplugin("capturemanager")
        if manager is None or not manager.is_globally_capturing():
            return None

        def read() -> str:
            out, err = manager.read_global_capture()
            return str(out) + str(err)

        # What it said before belongs to others, and is put back when a test ends as always.
        manager.resume_global_capture()
        return read


TOLD: pytest.StashKey[list[dict[str, Any]]] = pytest.StashKey()


class Sum:
    """What all workers told, in the process that started them."""

    def __init__(self, config: pytest.Config) -> None:
        config.stash[TOLD] = []
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        told = getattr(node, "workeroutput", {}).get(REPORTED)
        if told is not None:
            self._config.stash[TOLD].append(told)

    def unused(self) -> list[str]:
        used = {name for told in self._config.stash[TOLD] for name in told["used"]}
        if not self._whole():
            return []
        # What lives shorter than between two looks is not seen in every run: no outlet for such
        # places alone is called needless because of one.
        sure = (one for one in OUTLETS if not one.places <= SAMPLED)
        return [one.name for one in sure if one.name not in used]

    def hits(self) -> list[str]:
        return [hit for told in self._config.stash[TOLD] for hit in told["hits"]]

    def _whole(self) -> bool:
        """Whether this run was of all tests: only then is an outlet that was not used too many."""
        chosen = self._config.option
        picked = chosen.keyword or chosen.markexpr or getattr(chosen, "lf", False)
        ini = pytest.Config.ArgsSource.TESTPATHS
        return self._config.args_source is ini and not picked and not chosen.collectonly

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and (self.hits() or self.unused()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        told = self._config.stash[TOLD]
        if not told:
            return
        total: dict[str, Counter[str]] = {}
        for name in ("places", "bytes", "secrets", "used"):
            total[name] = sum((Counter(one[name]) for one in told), Counter())
        spent = sum(one["spent_s"] for one in told)
        say = terminalreporter.write_line
        say(
            f"canary: {sum(total['places'].values())} places"
            f" ({sum(total['bytes'].values()) / 1e6:.0f} MB)"
            f" searched for {sum(total['secrets'].values())} told secrets and all marked ones:"
            f" {len(self.hits())} hits, {sum(total['used'].values())} in"
            f" {len(total['used'])} outlets; {spent:.1f} s of processor time"
        )
        if self._config.option.verbose > 0 or self.hits() or self.unused():
            for name in ("places", "bytes", "secrets", "used"):
                say(f"canary: {name}: {dict(sorted(total[name].items()))}")
            say(f"canary: values left out as too ordinary: {sum(one['left_out'] for one in told)}")
            say(f"canary: environments not shown to us: {sum(one['closed'] for one in told)}")
        for hit in self.hits():
            say(f"canary: HIT {hit}", red=True)
        for name in self.unused():
            say(f"canary: an outlet that nothing needs: {name}", red=True)


def register(config: pytest.Config) -> None:
    """In the process that runs tests the one, in the one that reports the other."""
    if config.pluginmanager.is_blocked("canary"):
        return
    worker = hasattr(config, "workerinput")
    spread = bool(getattr(config.option, "dist", "no") != "no") and not worker
    if not worker:
        config.pluginmanager.register(Sum(config), "canary-sum")
    if not spread:
        config.pluginmanager.register(Canary(config), "canary")
