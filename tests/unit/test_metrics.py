"""The status for Prometheus: numbers and names, no secret and nobody's address."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine import Engine, FakeClock, World
from harvester.errors import Challenge
from harvester.log import event, listen
from harvester.metrics import metrics_text
from harvester.session import Served
from harvester.status import whole_status
from harvester.tally import SIGN_IN_BUCKETS_S, Tally

ABOUT = {"harvester": "9.9.9", "started_at": "2026-11-24T00:00:00Z", "socket": "/run/h.sock"}
LIFE = {"kind": "absolute", "life_s": 28800.0, "confidence": 0.5, "ends_seen": 2}


async def told(engine: Engine, tally: Tally | None = None, **about: object) -> str:
    status = whole_status(
        [engine.keeper], engine.world.clock.wall_s(), **{**ABOUT, "file_troubles": {}, **about}
    )
    return metrics_text(status, tally or Tally()).decode()


def samples(text: str) -> dict[str, float]:
    """Every line by its name and labels, as Prometheus itself would read it."""
    return {
        sample.name + "".join(f"|{key}={value}" for key, value in sorted(sample.labels.items())):
            sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }  # fmt: skip


@pytest.fixture
async def engine(tmp_path):
    made = Engine(tmp_path / "store", World(FakeClock()))
    await made.keeper.start()
    yield made
    await made.keeper.close()


async def test_a_live_session_is_told_in_numbers(engine):
    await engine.keeper.get()
    engine.world.clock.sleep(120)
    text = await told(engine)
    found = samples(text)
    assert found["harvester_ready|profile=default"] == 1
    assert found["harvester_generation|profile=default"] == 1
    assert found["harvester_durable|profile=default"] == 1
    assert found["harvester_session_age_seconds|profile=default"] == 120
    assert found["harvester_expires_timestamp_seconds|profile=default"] == 1_800_003_600
    assert found["harvester_budget_left|of=submits_left_since_success|profile=default"] == 2
    assert found["harvester_build_info|version=9.9.9"] == 1
    assert found["harvester_files_not_written"] == 0
    assert "harvester_latched{" not in text
    assert "session-1" not in text and "ada" not in text and "/run" not in text


async def test_a_latch_is_told_with_its_code(tmp_path):
    world = World(FakeClock(), stops_with=Challenge("a captcha"))
    engine = Engine(tmp_path / "store", world)
    await engine.keeper.start()
    await engine.keeper.check()
    found = samples(await told(engine))
    assert found["harvester_latched|code=challenge|profile=default"] == 1
    assert found["harvester_ready|profile=default"] == 0
    assert "harvester_session_age_seconds|profile=default" not in found


async def test_what_the_keeper_does_is_counted_by_its_own_events(engine):
    tally = Tally()
    deaf = listen(tally.hear)
    try:
        first = await engine.keeper.get()
        engine.world.revoke()
        await engine.keeper.report(generation=first.session.generation)
        engine.world.stops_with = Challenge("a captcha")
        engine.world.revoke()
        await engine.keeper.report(generation=first.session.generation + 1, wait_s=5)
    except Challenge:
        pass
    finally:
        deaf()
    found = samples(await told(engine, tally))
    taken = "|profile=default|result={}|rung={}"
    assert found["harvester_refreshes_total" + taken.format("session", "scripted")] == 1
    assert found["harvester_refreshes_total" + taken.format("session", "silent")] == 1
    assert found["harvester_refreshes_total" + taken.format("challenge", "silent")] == 1
    assert found["harvester_sign_in_seconds_count" + taken.format("session", "silent")] == 1
    assert found["harvester_probes_total|profile=default|verdict=denied"] == 2
    assert found["harvester_probes_total|profile=default|verdict=unreachable"] == 0


async def test_the_life_that_was_learned_is_told_once_there_is_one(engine):
    await engine.keeper.get()
    status = whole_status([engine.keeper], engine.world.clock.wall_s(), **ABOUT)
    [one] = status["profiles"]
    unknown = {**LIFE, "kind": "unknown", "life_s": None, "confidence": 0.0}
    text = metrics_text({**status, "profiles": [{**one, "life": unknown}]}, Tally()).decode()
    assert "harvester_session_life_seconds{" not in text
    found = samples(metrics_text({**status, "profiles": [{**one, "life": LIFE}]}, Tally()).decode())
    assert found["harvester_session_life_seconds|kind=absolute|profile=default"] == 28800
    assert found["harvester_session_life_confidence_ratio|profile=default"] == 0.5


async def test_a_kept_file_in_trouble_is_counted_and_not_named(engine):
    text = await told(engine, file_troubles={"/home/ada/cookie": "no space left on device"})
    assert samples(text)["harvester_files_not_written"] == 1
    assert "ada" not in text


async def test_prometheus_own_rules_hold(engine):
    tally = Tally()
    tally.served("api", "default", "cookie")
    tally.reported("default", "alive")
    tally.hear("session.refused_early", 30, {"profile": "default"})
    for took_s in (0.5, 3.0, 1e6):
        said = {"profile": "default", "rung": "silent", "result": "session", "took_s": took_s}
        tally.hear("climb.rung_ended", 20, said)
    await engine.keeper.get()
    text = await told(engine, tally)
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families) >= 18
    for family in families:
        assert re.fullmatch(r"harvester_[a-z]+(_[a-z]+)*", family.name)
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        # What a counter is called, and nothing else.
        assert f"# TYPE {family.name}{'_total' * (family.type == 'counter')} " in text
        assert not re.search(r"_(count|sum|bucket|total|gauge|counter|milliseconds)$", family.name)
        if "seconds" in family.name:
            assert family.name.endswith("_seconds")
        for sample in family.samples:
            assert set(sample.labels) <= {
                "profile", "sign", "outlet", "format", "verdict", "rung", "result", "code", "of",
                "kind", "status", "version", "le",
            }  # fmt: skip
    [histogram] = [family for family in families if family.type == "histogram"]
    buckets = [one for one in histogram.samples if one.name.endswith("_bucket")]
    assert [one.value for one in buckets] == sorted(one.value for one in buckets)
    assert [float(one.labels["le"]) for one in buckets] == [*SIGN_IN_BUCKETS_S, float("inf")]
    [total] = [one.value for one in histogram.samples if one.name.endswith("_count")]
    assert total == buckets[-1].value == 3


async def test_a_served_session_never_shows_its_value(engine):
    served = await engine.keeper.get()
    assert isinstance(served, Served)
    event("probe", profile="default", verdict="alive")
    text = await told(engine)
    for cookie in served.session.cookies:
        assert cookie.value not in text
