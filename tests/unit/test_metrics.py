"""The status for Prometheus: numbers and names, no secret and nobody's address."""

from engine import Engine, FakeClock, World
from harvester.errors import Challenge
from harvester.metrics import metrics_text
from harvester.status import whole_status


async def test_a_live_session_is_told_in_numbers(tmp_path):
    world = World(FakeClock())
    engine = Engine(tmp_path / "store", world)
    await engine.keeper.start()
    await engine.keeper.get()
    text = metrics_text(whole_status([engine.keeper], world.clock.wall_s())).decode()
    assert 'harvester_ready{profile="default"} 1.0' in text
    assert 'harvester_generation{profile="default"} 1.0' in text
    assert 'harvester_expires_timestamp_seconds{profile="default"} 1.8000036e+09' in text
    assert 'harvester_budget_left{of="submits_left_since_success",profile="default"} 2.0' in text
    assert "harvester_latched{" not in text
    assert "session-1" not in text and "ada" not in text


async def test_a_latch_is_told_with_its_code(tmp_path):
    world = World(FakeClock(), stops_with=Challenge("a captcha"))
    engine = Engine(tmp_path / "store", world)
    await engine.keeper.start()
    await engine.keeper.check()
    text = metrics_text(whole_status([engine.keeper], world.clock.wall_s())).decode()
    assert 'harvester_latched{code="challenge",profile="default"} 1.0' in text
    assert 'harvester_ready{profile="default"} 0.0' in text
