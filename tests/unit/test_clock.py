"""Times that were written by one clock and are read by another."""

import pytest

from engine import START_S, FakeClock
from harvester.clock import BELIEVED_S, STEP_S, Ahead, Moment, SystemClock, reckon
from harvester.steady import SLEPT_S, SteadyClock

YEAR_S = 365 * 86400.0


def passed(clock, seconds=100.0):
    then = Moment.of(clock)
    clock.sleep(seconds)
    return then


def test_nothing_is_reckoned_where_nobody_touched_the_clock():
    clock = FakeClock()
    then = passed(clock)
    clock.wall += STEP_S
    assert reckon(then, Moment.of(clock)) == type(reckon(then, then))(0.0, sure=True)


@pytest.mark.parametrize("by_s", [YEAR_S, -YEAR_S, 3.0, -3.0])
def test_in_one_boot_times_move_with_the_wall_clock_and_are_doubted(by_s):
    clock = FakeClock()
    then = passed(clock)
    clock.wall += by_s
    reckoned = reckon(then, Moment.of(clock))
    assert (reckoned.by_s, reckoned.sure) == (by_s, False)


def test_in_another_boot_the_wall_clock_is_believed_and_the_site_asked():
    clock = FakeClock()
    then = passed(clock)
    clock.reboot(off_s=3600)
    reckoned = reckon(then, Moment.of(clock))
    assert (reckoned.by_s, reckoned.sure) == (0.0, False)


def test_a_wall_clock_that_went_back_over_a_boot_says_that_no_time_has_passed():
    clock = FakeClock()
    then = passed(clock)
    clock.reboot(off_s=-YEAR_S)
    now = Moment.of(clock)
    assert then.wall_s + reckon(then, now).by_s == now.wall_s


def test_where_boots_have_no_names_a_week_is_believed_and_no_more():
    then = Moment(None, 10.0, START_S)
    for passed_s, sure in ((0.0, True), (BELIEVED_S, True), (BELIEVED_S + 1, False)):
        assert reckon(then, Moment(None, 5.0, START_S + passed_s)).sure is sure
    assert reckon(then, Moment(None, 10.0, START_S - 100)).by_s == -100
    assert not reckon(None, then).sure


def test_a_boot_clock_that_went_back_is_another_one():
    then = Moment("a", 1000.0, START_S)
    assert reckon(then, Moment("a", 1000.0 - STEP_S - 1, START_S + 50)).by_s == 0.0


def test_a_moment_is_read_as_it_was_written():
    for moment in (Moment("boot", 1.5, 2.5), Moment(None, 1.5, 2.5)):
        assert Moment.from_dict(moment.as_dict()) == moment


def test_the_machine_tells_one_boot_from_the_next():
    one, other = SystemClock(), SystemClock()
    assert one.boot_id() == other.boot_id()
    assert one.boot_id()
    assert one.awake_s() <= other.awake_s() and one.running_s() <= other.running_s()


@pytest.mark.parametrize("by_s", [YEAR_S, -YEAR_S])
def test_a_steady_clock_is_set_by_nobody_until_it_follows(by_s):
    machine = FakeClock()
    clock = SteadyClock(machine)
    machine.wall += by_s
    machine.sleep(10)
    assert clock.wall_s() == START_S + 10
    assert clock.follow() == by_s
    assert clock.wall_s() == machine.wall
    assert clock.follow() == 0.0


def test_many_small_steps_are_followed_when_they_add_up():
    machine = FakeClock()
    clock = SteadyClock(machine)
    moved = 0.0
    for _ in range(10):
        machine.wall += STEP_S / 2
        moved += clock.follow()
    assert moved == pytest.approx(10 * STEP_S / 2, abs=STEP_S)
    assert clock.wall_s() == pytest.approx(machine.wall, abs=STEP_S)


def test_a_jolt_is_told_once_and_in_words():
    machine = FakeClock()
    clock = SteadyClock(machine)
    machine.sleep(8 * 3600)
    assert clock.jolt() == ""
    machine.suspend(SLEPT_S)
    assert clock.jolt() == ""
    machine.suspend(8 * 3600)
    assert clock.jolt() == "the machine slept for 8h"
    assert clock.jolt() == ""
    machine.wall -= 86400
    assert clock.jolt() == "the clock was set back by 1d"
    assert clock.jolt() == ""


def test_a_difference_that_the_road_may_have_made_is_none():
    ahead = Ahead()
    assert ahead.s is None
    ahead.told(1001.6, 1000.0)
    assert ahead.s == 0.0
    ahead.told(1300.0, 1000.0)
    assert ahead.s == 300.0
    ahead.told(2301.5, 2000.0)
    assert ahead.s == 300.0
    ahead.told(2001.0, 2000.0)
    assert ahead.s == 0.0
