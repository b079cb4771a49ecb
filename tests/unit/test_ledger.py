"""The ledger: what was sent counts, what was refused is not sent again."""

import pytest

from harvester import ledger_form
from harvester.budgets import refuses_submit
from harvester.digests import settings_digest
from harvester.errors import AccountLocked, NeedsHuman, ProviderDown, RateLimited
from harvester.ledger import BACKOFF_MOST_S, DAY_S, HOUR_S, Ledger
from harvester.lives import Life
from harvester.pardon import unlocked
from harvester.prices import PRICES
from harvester.profile import Profile, SecretSource, Site
from harvester.verdict import Picture

SITE = Site("https://knoq.one", "https://knoq.one", "/api")
PROFILE = Profile("default", SITE, username="ada", submits_per_hour=3, submits_per_day=5)
NOW = 1_000_000.0


def test_a_send_is_refused_after_two_different_secrets_were_rejected():
    ledger = Ledger()
    for secret in ("old", "new"):
        assert refuses_submit(ledger, NOW, PROFILE) is None
        ledger = ledger.with_submit(NOW, secret).with_rejected(secret)
    refusal = refuses_submit(ledger, NOW + 30 * DAY_S, PROFILE)
    assert refusal is not None
    assert (refusal.code, refusal.latched) == ("credentials_rejected", True)


def test_a_success_between_two_rejections_starts_the_count_again():
    ledger = Ledger().with_submit(NOW, "a").with_rejected("a")
    ledger = ledger.with_submit(NOW + 1, "b").with_success("b")
    ledger = ledger.with_submit(NOW + 2, "c").with_rejected("c")
    assert refuses_submit(ledger, NOW + 2 * HOUR_S, PROFILE) is None


def test_two_sends_that_were_never_answered_stop_the_third():
    ledger = Ledger().with_submit(NOW, "a").with_lost().with_submit(NOW, "a")
    refusal = refuses_submit(ledger, NOW, PROFILE)
    assert refusal is not None
    assert (refusal.code, refusal.latched) == ("budget_spent", True)


def test_a_send_cut_short_by_a_crash_still_counts():
    reloaded = ledger_form.from_dict(ledger_form.to_dict(Ledger().with_submit(NOW, "a")))
    assert len(reloaded.since_success()) == 1


def test_the_hourly_budget_counts_successes_too_and_says_when_it_ends():
    ledger = Ledger()
    for minute in range(3):
        ledger = ledger.with_submit(NOW + 60 * minute, "a").with_success("a")
    refusal = refuses_submit(ledger, NOW + 180, PROFILE)
    assert refusal is not None and refusal.code == "budget_spent" and not refusal.latched
    assert refusal.retry_after_s == pytest.approx(HOUR_S - 180)
    assert refuses_submit(ledger, NOW + HOUR_S + 1, PROFILE) is None


def test_the_daily_budget_holds_when_the_hourly_one_does_not():
    ledger = Ledger()
    for hour in range(5):
        ledger = ledger.with_submit(NOW + hour * 2 * HOUR_S, "a").with_success("a")
    refusal = refuses_submit(ledger, NOW + 11 * HOUR_S, PROFILE)
    assert refusal is not None and "day" in refusal.message


def test_a_rejected_secret_is_remembered_for_ninety_days_and_until_it_succeeds():
    ledger = Ledger().aged(NOW).with_submit(NOW, "a").with_rejected("a")
    for day in range(0, 89, 5):
        ledger = ledger.aged(NOW + day * DAY_S)
        assert ledger.rejected_fingerprints() == ("a",)
    later = ledger.aged(NOW + 91 * DAY_S)
    assert later.rejected_fingerprints() == ()
    assert ledger.with_submit(NOW, "a").with_success("a").rejected_fingerprints() == ()


def test_a_clock_that_jumps_a_year_forgets_no_rejected_secret():
    ledger = Ledger().aged(NOW).with_submit(NOW, "a").with_rejected("a")
    jumped = ledger.aged(NOW + 365 * DAY_S)
    assert jumped.rejected_fingerprints() == ("a",)
    assert jumped.aged(NOW).rejected_fingerprints() == ("a",)
    assert jumped.aged_s == ledger.aged_s + 7 * DAY_S  # of a year, a week is believed


def test_other_profiles_of_the_account_count_too():
    other = Ledger().with_submit(NOW, "x").with_rejected("x")
    mine = Ledger().with_submit(NOW, "y").with_rejected("y")
    assert refuses_submit(mine, NOW, PROFILE) is None
    refusal = refuses_submit(mine, NOW, PROFILE, others=(other,))
    assert refusal is not None and refusal.code == "credentials_rejected"
    assert refusal.hint.endswith("harvester unlock, for each profile of this account")
    both = mine.with_submit(NOW, "z").with_rejected("z")
    refusal = refuses_submit(both, NOW, PROFILE)
    assert refusal is not None and refusal.hint.endswith("harvester unlock")


def test_an_account_that_another_profile_found_locked_is_left_alone_for_a_day():
    other = Ledger().with_latch(NOW, AccountLocked("locked"), blocks=("scripted",), settings="x")
    refusal = refuses_submit(Ledger(), NOW + 60, PROFILE, others=(Ledger(), other))
    assert refusal is not None
    assert (refusal.code, refusal.retry_after_s) == ("account_locked", DAY_S - 60)
    assert refuses_submit(Ledger(), NOW + DAY_S, PROFILE, others=(other,)) is None


def test_a_limit_of_none_sends_nothing():
    never = Profile("default", SITE, username="ada", submits_per_hour=0)
    refusal = refuses_submit(Ledger(), NOW, never)
    assert refusal is not None and refusal.code == "budget_spent"


def test_after_a_crash_behind_a_send_the_next_one_waits_a_code_step():
    ledger = Ledger().with_submit(NOW, "a")
    waits = ledger.waits(NOW + 1)
    assert waits is not None and waits.retry_after_s == pytest.approx(29)
    assert ledger.waits(NOW + 31) is None


def test_a_silent_success_does_not_forgive_a_password():
    ledger = Ledger().with_submit(NOW, "a").with_rejected("a").with_success(None)
    assert ledger.rejected_fingerprints() == ("a",)
    assert len(ledger.since_success()) == 1


def test_a_latch_opens_when_the_settings_change_but_a_firm_one_does_not():
    error = NeedsHuman("a captcha")
    soft = Ledger().with_latch(NOW, error, blocks=("silent", "scripted"), settings="one")
    assert soft.stops("scripted", "one") is not None
    assert soft.stops("scripted", "two") is None
    assert soft.stops("touch", "one") is None
    firm = Ledger().with_latch(NOW, error, blocks=("scripted",), settings="one", firm=True)
    stopped = firm.stops("scripted", "two")
    assert stopped is not None and stopped.latched


def test_backoff_doubles_with_full_jitter_up_to_a_quarter_of_an_hour():
    ledger, error = Ledger(), ProviderDown("no answer")
    waits = []
    for _ in range(12):
        ledger = ledger.with_backoff(NOW, error, fraction=0.999999)
        waits.append(round(ledger.retry_at - NOW))
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == BACKOFF_MOST_S
    assert Ledger().with_backoff(NOW, error, fraction=0.0).retry_at == NOW


def test_retry_after_is_honoured_and_capped_and_does_not_lengthen_the_backoff():
    ledger = Ledger().with_backoff(NOW, RateLimited("slow down", retry_after_s=120), fraction=0.5)
    waits = ledger.waits(NOW + 20)
    assert waits is not None and waits.retry_after_s == pytest.approx(100)
    assert ledger.failures == 0
    capped = Ledger().with_backoff(NOW, RateLimited("x", retry_after_s=1e9), fraction=0.5)
    assert capped.retry_at == NOW + DAY_S


def test_a_clock_set_back_by_a_year_does_not_turn_seconds_into_a_year():
    ledger = Ledger().with_backoff(NOW, ProviderDown("x"), fraction=0.9)
    assert ledger.waits(NOW - 365 * DAY_S) is None


def test_silent_sign_ins_come_from_a_bucket_that_refills_with_time():
    ledger = Ledger()
    for _ in range(10):
        assert ledger.wait_s("silent", NOW, None) == 0
        ledger = ledger.with_rung("silent", NOW, None)
    assert ledger.wait_s("silent", NOW, None) == pytest.approx(300)
    assert ledger.wait_s("silent", NOW + 300, None) == 0
    # A session that lives 30 s may be renewed three times in each of its lives, for ever.
    assert ledger.wait_s("silent", NOW + 10, 30.0) == 0
    # A clock that went back refills nothing.
    assert ledger.left("silent", NOW - 3600, None) == 0


def test_unlock_clears_the_latch_and_the_count_but_not_the_hourly_budget():
    ledger = Ledger()
    for secret in ("a", "b"):
        ledger = ledger.with_submit(NOW, secret).with_rejected(secret)
    ledger = ledger.with_latch(NOW, NeedsHuman("x"), blocks=("scripted",), settings="s")
    ledger = unlocked(ledger, NOW + 1, asked_at=NOW + 1, force=False)
    assert ledger.latch is None and ledger.since_success() == ()
    assert refuses_submit(ledger, NOW + 1, PROFILE) is None
    assert ledger.sent_since(NOW - 1) == 2


def test_unlock_leaves_what_came_after_it_was_asked_for():
    ledger = Ledger().with_submit(NOW, "old").with_rejected("old")
    ledger = ledger.with_submit(NOW + 2, "new").with_rejected("new")
    ledger = ledger.with_latch(NOW + 3, NeedsHuman("x"), blocks=("scripted",), settings="s")
    waited = unlocked(ledger, NOW + 4, asked_at=NOW + 1, force=False)
    assert waited.rejected_fingerprints() == ("new",)
    assert [one.fingerprint for one in waited.since_success()] == ["new"]
    assert waited.latch == ledger.latch
    back = unlocked(ledger, NOW + 1, asked_at=NOW + 1, force=False)
    assert (back.latch, back.since_success()) == (None, ()), "by a clock that was set back"


def test_a_locked_account_is_not_unlocked_within_a_day_unless_forced():
    ledger = Ledger().with_latch(
        NOW, AccountLocked("locked"), blocks=("scripted",), settings="s", firm=True
    )
    with pytest.raises(AccountLocked) as caught:
        unlocked(ledger, NOW + HOUR_S, asked_at=NOW + HOUR_S, force=False)
    assert "--force" in caught.value.hint
    assert unlocked(ledger, NOW + HOUR_S, asked_at=NOW + HOUR_S, force=True).latch is None
    assert unlocked(ledger, NOW + DAY_S + 1, asked_at=NOW + DAY_S + 1, force=False).latch is None


def test_everything_in_a_ledger_survives_storage():
    ledger = (
        Ledger()
        .aged(NOW)
        .with_account("digest")
        .with_refused(3)
        .with_signed_out(3)
        .with_submit(NOW, "a")
        .with_rejected("a")
        .with_latch(NOW, NeedsHuman("x", hint="y"), blocks=("silent",), settings="s")
        .with_backoff(NOW, ProviderDown("z"), fraction=0.5)
        .with_rung("silent", NOW, None)
        .with_totp_step(7)
        .with_picture(Picture("asked", 401))
        .with_usefulness(NOW, "touch", helped=False)
        .with_unrecognised()
        .with_generation(4)
        .with_switch(NOW)
        .with_lives((Life(3600.0, 3900.0, 300.0, 7200.0), Life(60.0)))
        .with_backoff(NOW, ProviderDown("z"), fraction=0.5)
    )
    assert ledger_form.from_dict(ledger_form.to_dict(ledger)) == ledger


def test_a_ledger_of_the_first_release_keeps_its_bucket():
    stored = ledger_form.to_dict(Ledger())
    del stored["buckets"], stored["lives"]
    stored["silent"] = [3.0, NOW]
    assert ledger_form.from_dict(stored).left("silent", NOW, None) == 3


def test_each_rung_that_types_nothing_has_a_bucket_of_its_own():
    ledger = Ledger()
    for _ in range(PRICES["touch"].burst):
        assert ledger.wait_s("touch", NOW, None) == 0
        ledger = ledger.with_rung("touch", NOW, None)
    assert ledger.wait_s("touch", NOW, None) == pytest.approx(60)
    assert ledger.left("renew", NOW, None) == PRICES["renew"].burst
    assert PRICES["touch"].a_day() == 20 + 1440


def test_a_cheap_rung_that_does_not_help_is_given_up_for_a_day():
    ledger = Ledger().with_usefulness(NOW, "touch", helped=False)
    assert not ledger.worth("touch", NOW + HOUR_S)
    assert ledger.worth("touch", NOW + DAY_S)
    assert ledger.worth("renew", NOW)


def test_the_digest_changes_with_the_settings_and_holds_no_secret():
    secret = SecretSource("value", "HARVESTER_PASSWORD", value="hunter2")
    with_secret = Profile("default", SITE, username="ada", password=secret)
    other = Profile("default", SITE, username="ada", identity_origins=("https://login.acme",))
    assert settings_digest(PROFILE) != settings_digest(other)
    changed = SecretSource("value", "HARVESTER_PASSWORD", value="hunter3")
    same = Profile("default", SITE, username="ada", password=changed)
    assert settings_digest(with_secret) == settings_digest(same)


def test_a_ledger_by_another_clock_has_the_same_ages():
    """Each of its times moves; what is none stays none."""
    ledger = (
        Ledger()
        .aged(NOW)
        .with_submit(NOW, "a")
        .with_rung("silent", NOW, None)
        .with_switch(NOW)
        .with_usefulness(NOW, "touch", helped=False)
        .with_latch(NOW, NeedsHuman("x"), blocks=("silent",), settings="s")
        .with_backoff(NOW, ProviderDown("x"), fraction=0.5)
    )

    def times(one):
        return [
            one.aged_at, one.submits[0].at, one.buckets["silent"].at, one.switches[0],
            one.unhelpful["touch"], one.latch.since, one.retry_at, one.failing_since,
        ]  # fmt: skip

    assert times(ledger.shifted(-500.0)) == [at - 500 for at in times(ledger)]
    assert Ledger().shifted(1e6) == Ledger()


def test_what_did_not_help_by_a_clock_that_was_ahead_is_tried_again():
    assert not Ledger().with_usefulness(NOW, "touch", helped=False).worth("touch", NOW + 10)
    assert Ledger().with_usefulness(NOW + HOUR_S, "touch", helped=False).worth("touch", NOW)
