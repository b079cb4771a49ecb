"""What lives teach: from how old each session was at the last yes and the first no."""

import random
from dataclasses import dataclass, field, replace

import pytest

from harvester.lifetime import (
    Freshness,
    apart_s,
    declared_end,
    foreseen,
    freshness,
    life_of,
    windows,
)
from harvester.lives import KEPT, EarlyEnd, Learned, Life, early_end, learned, remembered
from harvester.session import Session
from jars import session

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
EIGHT = Life(28500.0, 28800.0, 300.0)


def after(*seen: Life) -> tuple[Life, ...]:
    """The lives that are kept when these were seen, one after the other."""
    kept: tuple[Life, ...] = ()
    for life in seen:
        kept, _ = remembered(kept, life)
    return kept


def test_nothing_seen_teaches_nothing():
    assert learned(()) == Learned()
    assert learned([Life(900.0)]) == Learned()


def test_one_end_tells_a_careful_age_and_two_make_sure():
    first = learned([EIGHT])
    assert (first.way, first.life_s, first.within_s, first.ends) == ("absolute", 28500, 28800, 1)
    assert 0.45 < first.confidence < 0.5
    second = learned([EIGHT, EIGHT])
    assert 0.6 < second.confidence < learned([EIGHT] * 8).confidence < 0.9


def test_the_careful_end_is_the_greatest_age_survived_below_the_earliest_end():
    lives = [Life(3000, 3600, 600), Life(3300, 3550, 600), Life(3400, None, 600)]
    assert learned(lives).life_s == 3400
    assert learned([*lives, Life(3580, None, 600)]).life_s == 3400
    assert learned([*lives, Life(3580, None, 600)]).within_s == 3550


def test_an_end_that_a_session_well_outlived_is_no_end():
    swept = [EIGHT, Life(28800 / 0.9 - 1)]
    assert learned(swept).life_s == 28500
    assert learned([EIGHT, Life(28800 / 0.9 + 1)]) == Learned()


def test_a_bracket_that_is_too_wide_says_only_where_to_look():
    wide, tight = Life(2159, 3600, 1700), Life(2161, 3600, 1700)
    assert (learned([wide]).life_s, learned([wide]).within_s) == (None, 3600)
    assert learned([tight]).life_s == 2161


def test_an_end_after_a_rest_that_nobody_survived_may_be_of_age_or_of_disuse():
    # Seen every five minutes for two hours, then not for eight.
    undecided = learned([Life(2 * HOUR, 10 * HOUR, 300)])
    assert (undecided.way, undecided.idle_s, undecided.life_s) == ("unknown", 300, None)
    assert learned([Life(3000, 3000 + 331, 300)]).way == "unknown"
    assert learned([Life(3000, 3000 + 329, 300)]).way == "absolute"


def test_two_ends_at_one_age_are_no_chance_however_long_nobody_had_looked():
    unwatched = Life(3000, 3600, 100)
    assert learned([unwatched]).way == "unknown"
    assert learned([unwatched, unwatched]).way == "absolute"


def test_who_lives_past_that_age_while_it_is_used_slides():
    lives = [Life(2 * HOUR, 10 * HOUR, 300)]
    slides = learned(lives, Life(12 * HOUR, None, 300))
    assert (slides.way, slides.idle_s, slides.within_s) == ("sliding", 300, 8 * HOUR)
    assert slides.life_s is None and slides.span_s == 300


def test_a_single_early_end_changes_nothing_and_two_that_agree_change_the_mind():
    known = after(EIGHT, EIGHT, EIGHT)
    early, again = Life(14100, 14400, 300), Life(14250, 14400, 300)
    once, changed = remembered(known, early)
    assert not changed and learned(once).life_s == 28500 and learned(once).doubted
    twice, changed = remembered(once, again)
    assert changed and twice == (early, again)
    assert (learned(twice).life_s, learned(twice).doubted) == (14250, False)


@pytest.mark.parametrize(
    ("second_s", "agrees"), [(8001, True), (7999, False), (12499, True), (12501, False)]
)
def test_two_early_ends_agree_within_a_fifth(second_s, agrees):
    known = after(EIGHT, EIGHT, Life(9900, 10000, 300))
    assert remembered(known, Life(second_s - 100, second_s, 300))[1] is agrees


def test_early_is_before_four_fifths_of_what_is_expected():
    known = learned([EIGHT, EIGHT])
    assert known.is_early(Life(0, 0.8 * 28500 - 1))
    assert not known.is_early(Life(0, 0.8 * 28500 + 1))
    assert not known.is_early(Life(9))
    assert Learned().is_early(Life(0, 7000, declared_s=9000))
    assert not Learned().is_early(Life(0, 7300, declared_s=9000))
    assert learned([EIGHT]).expects_s(Life(0, declared_s=9000)) == 9000


def test_two_accidents_with_a_full_life_between_them_are_accidents():
    early = Life(14100, 14400, 300)
    for between in (EIGHT, Life(15000)):
        known, changed = remembered(after(EIGHT, EIGHT, early, between), early)
        assert not changed and learned(known).life_s == 28500
    assert remembered(after(EIGHT, EIGHT, early, Life(100)), early)[1]


def test_a_session_in_use_that_outlives_an_early_end_takes_the_doubt_away():
    lives = after(EIGHT, EIGHT, Life(14100, 14400, 300))
    assert learned(lives, Life(14000)).doubted
    assert not learned(lives, Life(14500)).doubted


def test_an_early_end_is_reported_only_by_who_knew():
    def told(life: Life, *lives: Life, declared: float = 0.0) -> EarlyEnd | None:
        return early_end(life, learned(lives), declared=declared, generation=3, at=9.0)

    early = Life(14100, 14400, 300)
    assert told(early, EIGHT, EIGHT) == EarlyEnd(9.0, 3, 14400, 28500)
    assert told(early, EIGHT) is None
    assert told(EIGHT, EIGHT, EIGHT) is None
    by_cookie = replace(early, declared_s=28800.0)
    assert told(by_cookie, declared=0.7) == EarlyEnd(9.0, 3, 14400, 28800)
    assert told(by_cookie, declared=0.4) is None
    assert (
        told(Life(900, 1200, 300, 28800.0), Life(900, 1500, 600, 28800.0), declared=0.7) is not None
    )


def test_a_sliding_one_that_dies_in_use_is_early():
    lives = [
        Life(2 * DAY, 2 * DAY + 1900, 1500),
        Life(HOUR, HOUR + 1850, 1200),
        Life(5 * DAY, None, 1600),
    ]
    known = learned(lives)
    assert known.way == "sliding" and known.confidence >= 0.5
    in_use = Life(3 * DAY, 3 * DAY + 300, 300)
    assert early_end(in_use, known, declared=0, generation=1, at=0.0) == EarlyEnd(0.0, 1, 300, 1600)
    assert learned([*lives, in_use]).way == "sliding"


def test_what_is_kept_is_eight_lives_and_first_of_all_those_with_an_end():
    lives = after(EIGHT, *(Life(28000.0 + n) for n in range(20)))
    assert len(lives) == KEPT == 8
    assert lives[0] == EIGHT and lives[-1] == Life(28019.0)
    ends = after(*(Life(28000.0 + n, 28800, 300) for n in range(12)))
    assert [life.alive_s for life in ends] == [28004 + n for n in range(8)]
    assert after(*ends, Life(5.0))[-1] == Life(5.0)


def test_a_later_word_of_a_life_takes_the_place_of_the_earlier():
    lives = after(EIGHT, Life(28000.0), EIGHT)
    later, _ = remembered(lives, Life(29000.0), instead_of=Life(28000.0))
    assert later == (EIGHT, Life(29000.0), EIGHT)
    gone, _ = remembered(lives, Life(29000.0), instead_of=Life(1.0))
    assert gone == (*lives, Life(29000.0))


def test_a_difference_is_notable_from_a_tenth_on():
    known = learned([Life(900, 1000, 200)])
    assert not learned([Life(811, 1000, 200)]).differs(known)
    assert learned([Life(809, 1000, 200)]).differs(known)
    assert Learned().differs(known) and not Learned().differs(Learned())


# Many lives of one site, as a daemon sees them.


@dataclass
class Site:
    """``life_s`` and ``idle_s`` end a session; ``revokes``: the chance that one dies anywhere."""

    life_s: float | None = None
    idle_s: float | None = None
    declares_s: float | None = None
    revokes: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))


@dataclass
class Daemon:
    """Asks when it is due, refreshes when it is due, follows the one before; counts what it cost
    those who were served a dead session, in seconds."""

    site: Site
    clients_s: float | None = None
    """How often a client uses the session; None: nobody does."""
    lives: tuple[Life, ...] = ()
    sign_ins: int = 0
    asks: int = 0
    dead_s: float = 0.0
    """For how long a dead session was served."""
    changes: int = 0
    early: int = 0
    now: float = 0.0
    looks_for_s: float = 100 * DAY
    last: tuple[Session, Life, float] | None = None

    def live_through(self, sessions: int) -> Learned:
        for _ in range(sessions):
            self.sign_ins += 1
            self.now, self.last = self._one(self.now, self.last)
        return learned(self.lives)

    def _one(self, began: float, last: tuple[Session, Life, float] | None):
        """One session, and what is seen of the one before; how it was replaced."""
        site, held = self.site, self._new(began)
        ends_at = began + (site.life_s or float("inf"))
        if site.revokes and site.chance.random() < site.revokes:
            ends_at = began + site.chance.random() * (site.life_s or DAY)
        touched = began
        before, due = None, float("inf")
        if last is not None and last[0].expires_kind == "learned":
            before, written, before_ends = last
            first_step = (before.expires_at or 0.0) - before.renewed_at
            due, seen = max(began, before.expires_at or 0.0), False
        while True:
            known = learned(self.lives, life_of(held))
            held = foreseen(held, known)
            when = windows(held, learned=known)
            now = min(
                at
                for at in (when.ask_at, when.stale_at, due, began + self.looks_for_s)
                if at is not None
            )
            if now >= began + self.looks_for_s:
                return now, None
            if now == due and before is not None:
                self.asks += 1
                alive = due < before_ends
                if alive:
                    before, seen = before.proved(now), True
                    self._teach(life_of(before), written)
                    written = life_of(before)
                    step_s = 0.1 * first_step
                    until_dead = before.renewed_at + (known.within_s or 0.0) - now
                    if known.way == "absolute" and 0 < until_dead < step_s:
                        step_s = until_dead
                    due = now + max(apart_s(known), step_s)
                else:
                    if seen:
                        self._teach(life_of(before, dead_at=now), written)
                    before, due = None, float("inf")
                continue
            used = touched
            if self.clients_s is not None:
                used = max(touched, now - self.clients_s)
            dies = min(ends_at, used + (site.idle_s or float("inf")))
            self.asks += 1
            if now >= dies:
                self.dead_s += now - dies
                gone = life_of(held, dead_at=now)
                report = early_end(
                    gone,
                    learned(self.lives),
                    declared=declared_end(held)[1],
                    generation=1,
                    at=now,
                )
                self.early += report is not None
                self._teach(gone)
                return now, None
            held, touched = held.proved(now), now
            if freshness(held, now, when) is not Freshness.UNKNOWN:
                self._teach(life_of(held))
                return now, (held, life_of(held), ends_at)

    def _new(self, now: float) -> Session:
        made = session(None, obtained_at=now, proved_at=now, renewed_at=now)
        if self.site.declares_s is None:
            return made
        return replace(
            made, expires_at=now + self.site.declares_s, expires_kind="declared", confidence=0.7
        )

    def _teach(self, life: Life, written: Life | None = None) -> None:
        self.lives, changed = remembered(self.lives, life, instead_of=written)
        self.changes += changed


@pytest.mark.parametrize("life_s", [5 * MINUTE, 8 * HOUR, 2 * DAY])
def test_an_opaque_session_is_learned_from_its_first_end_and_dies_on_nobody_after(life_s):
    daemon = Daemon(Site(life_s))
    first = daemon.live_through(1)
    assert first.way == "absolute" and 0.75 * life_s <= first.life_s <= life_s
    dead_s = daemon.dead_s
    assert dead_s <= 300
    later = daemon.live_through(20)
    assert 0.75 * life_s <= later.life_s <= life_s and later.confidence >= 0.5
    assert daemon.dead_s == dead_s and daemon.early == 0


def test_twenty_minutes_take_two_ends_because_the_first_may_be_of_disuse():
    daemon = Daemon(Site(20 * MINUTE))
    assert daemon.live_through(1).way == "unknown"
    assert daemon.live_through(1).life_s == pytest.approx(20 * MINUTE, rel=0.15)
    dead_s = daemon.dead_s
    assert daemon.live_through(20).life_s == pytest.approx(20 * MINUTE, rel=0.15)
    assert daemon.dead_s == dead_s <= 500


def test_ninety_days_are_learned_as_well_as_five_minutes():
    daemon = Daemon(Site(90 * DAY))
    assert daemon.live_through(1).life_s == pytest.approx(90 * DAY, rel=0.01)


def test_a_session_of_less_than_a_minute_takes_a_second_look():
    daemon = Daemon(Site(40.0))
    assert daemon.live_through(1).life_s is None
    assert 0.5 * 40 <= daemon.live_through(2).life_s <= 40


def test_disuse_after_half_an_hour_never_ends_a_session_that_is_asked_about():
    daemon = Daemon(Site(None, idle_s=30 * MINUTE), looks_for_s=5 * DAY)
    daemon.live_through(1)
    assert (daemon.sign_ins, daemon.lives) == (1, ())


def test_disuse_after_two_minutes_is_learned_from_its_first_end():
    daemon = Daemon(Site(None, idle_s=2 * MINUTE), looks_for_s=DAY)
    daemon.live_through(1)
    assert daemon.dead_s <= 300
    daemon.live_through(1)  # it lasts as long as anybody looks
    assert (daemon.sign_ins, len(daemon.lives)) == (2, 1)


def test_a_site_that_halves_its_lives_is_believed_at_the_second_end():
    daemon = Daemon(Site(8 * HOUR))
    daemon.live_through(10)
    daemon.site.life_s = 4 * HOUR
    assert daemon.live_through(1).life_s > 7 * HOUR and daemon.early == 1
    assert daemon.live_through(1).life_s == pytest.approx(4 * HOUR, rel=0.05)
    assert (daemon.early, daemon.changes) == (2, 1)
    dead_s = daemon.dead_s
    daemon.live_through(20)
    assert daemon.dead_s == dead_s


def test_a_site_that_lengthens_its_lives_is_noticed_by_the_afterlife_and_costs_nobody_a_401():
    daemon = Daemon(Site(4 * HOUR))
    daemon.live_through(10)
    dead_s = daemon.dead_s
    daemon.site.life_s = 12 * HOUR
    later = daemon.live_through(4)
    assert later.life_s == pytest.approx(12 * HOUR, rel=0.1)
    assert daemon.live_through(10).life_s == pytest.approx(12 * HOUR, rel=0.1)
    assert daemon.dead_s == dead_s


def test_one_revocation_in_twenty_moves_nothing_for_long():
    daemon = Daemon(Site(8 * HOUR, revokes=0.05))
    spoiled = 0
    for _ in range(200):
        known = daemon.live_through(1)
        spoiled += known.life_s is None or not 0.9 * 8 * HOUR <= known.life_s <= 8 * HOUR
    assert spoiled <= 15
    assert daemon.changes == 0 and 5 <= daemon.early <= 25


def test_a_first_life_that_was_revoked_is_corrected_by_the_next():
    daemon = Daemon(Site(8 * HOUR), lives=(Life(10500, 10800, 300),))
    assert learned(daemon.lives).life_s == 10500
    daemon.live_through(3)
    assert learned(daemon.lives).life_s == pytest.approx(8 * HOUR, rel=0.1)
    assert daemon.dead_s == 0


def test_a_cookie_that_promises_a_week_is_not_believed_for_ever_where_the_site_gives_eight_hours():
    daemon = Daemon(Site(8 * HOUR, declares_s=7 * DAY))
    daemon.live_through(3)
    assert learned(daemon.lives).life_s == pytest.approx(8 * HOUR, rel=0.05)
    dead_s = daemon.dead_s
    daemon.live_through(10)
    assert daemon.dead_s == dead_s


def test_a_declared_end_that_holds_is_all_there_is_to_know():
    daemon = Daemon(Site(5 * MINUTE, declares_s=5 * MINUTE))
    daemon.live_through(50)
    assert daemon.dead_s == 0 and daemon.early == 0
    assert daemon.asks == 50
