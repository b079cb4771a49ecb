"""Each class of error has its own consequence, and only that."""

import pytest

from harvester import errors
from harvester.ledger import Ledger
from harvester.settle import settle
from harvester.signin.dialogue import Stopped

NOW = 1_000_000.0


def after(stopped: Stopped, ledger: Ledger | None = None) -> Ledger:
    return settle(ledger or Ledger(), stopped, settings="s", now=NOW, fraction=0.5)


def sent() -> Ledger:
    return Ledger().with_submit(NOW, "fp")


def test_a_rejected_secret_is_remembered_and_latched_but_another_may_be_tried():
    ledger = after(Stopped(errors.CredentialsRejected("no"), "answered", fingerprint="fp"), sent())
    assert ledger.rejected_fingerprints() == ("fp",)
    assert ledger.latch is not None and ledger.latch.blocks == ()
    assert ledger.submits[-1].outcome == "rejected"


def test_meeting_a_known_bad_secret_again_changes_nothing():
    known = after(Stopped(errors.CredentialsRejected("no"), "answered", fingerprint="fp"), sent())
    again = Stopped(errors.CredentialsRejected("no", latched=True), fingerprint="fp")
    assert after(again, known) == known


def test_a_rejected_code_keeps_the_same_secrets_from_being_sent_again():
    ledger = after(Stopped(errors.CodeRejected("no"), "answered", fingerprint="fp"), sent())
    assert ledger.rejected_fingerprints() == ("fp",)
    assert ledger.latch is not None and ledger.latch.error["code"] == "code_rejected"


def test_a_locked_account_is_latched_firmly():
    ledger = after(Stopped(errors.AccountLocked("locked"), "answered", fingerprint="fp"), sent())
    assert ledger.latch is not None and ledger.latch.firm
    assert ledger.stops("scripted", "other settings") is not None
    assert ledger.stops("silent", "s") is None


@pytest.mark.parametrize(
    "error",
    [
        errors.Challenge("x"),
        errors.ProviderRefuses("x"),
        errors.NeedsHuman("x"),
        errors.OriginNotAllowed("x"),
        errors.OrganizationNotFound("x"),
        errors.OrganizationMismatch("x"),
    ],
)
def test_what_only_a_person_can_mend_is_latched_until_the_settings_change(error):
    ledger = after(Stopped(error))
    assert ledger.stops("scripted", "s") is not None
    assert ledger.stops("silent", "s") is not None
    assert ledger.stops("scripted", "changed") is None


def test_an_unknown_page_is_tried_once_more_before_a_person_is_asked():
    once = after(Stopped(errors.PageNotRecognised("x")))
    assert once.latch is None and once.waits(NOW) is not None
    assert after(Stopped(errors.PageNotRecognised("x")), once).latch is not None


@pytest.mark.parametrize(
    "error", [errors.ProviderDown("x"), errors.BrowserFailed("x"), errors.TimedOut("x")]
)
def test_trouble_before_anything_was_sent_counts_nothing_and_backs_off(error):
    ledger = after(Stopped(error))
    assert ledger.since_success() == () and ledger.latch is None
    waits = ledger.waits(NOW)
    assert waits is not None and waits.code == error.code


def test_trouble_after_the_password_was_sent_counts_and_waits_a_code_step():
    ledger = after(Stopped(errors.TimedOut("x"), "after_submit", fingerprint="fp"), sent())
    assert [one.outcome for one in ledger.submits] == ["lost"]
    waits = ledger.waits(NOW)
    assert waits is not None and waits.retry_after_s == pytest.approx(30)


@pytest.mark.parametrize(
    "error",
    [
        errors.BrowserMissing("x"),
        errors.NotConfigured("x"),
        errors.ConfigInvalid("x"),
        errors.KeyWrong("x"),
        errors.StoreFull("x"),
    ],
)
def test_what_can_be_mended_on_this_machine_helps_at_once(error):
    assert after(Stopped(error)) == Ledger()


def test_a_rung_that_only_met_a_question_is_no_failure():
    assert after(Stopped(errors.NeedsHuman("asks"), asked=True)) == Ledger()


def test_a_secret_that_the_provider_accepted_counts_as_a_success_though_the_site_stopped_it():
    stopped = Stopped(errors.OrganizationNotFound("x"), "answered", fingerprint="fp", accepted=True)
    ledger = after(stopped, sent())
    assert ledger.since_success() == ()
    assert ledger.stops("scripted", "s") is not None


def test_a_wrong_clock_costs_the_password_that_was_accepted_and_no_second_one():
    stopped = Stopped(errors.ConfigClock("300 s off"), "answered", fingerprint="fp", accepted=True)
    ledger = after(stopped, sent())
    assert ledger.submits[-1].outcome == "accepted"
    assert ledger.since_success() == () and ledger.rejected_fingerprints() == ()
    again = ledger.stops("scripted", "s")
    assert again is not None and (again.code, again.latched) == ("config_clock", True)
    assert ledger.stops("silent", "s") is None


def test_a_clock_that_was_set_opens_what_it_had_closed_and_nothing_else():
    wrong = after(Stopped(errors.ConfigClock("300 s off")))
    assert wrong.shifted(-300.0).latch is None
    other = after(Stopped(errors.Challenge("x")))
    moved = other.shifted(-300.0).latch
    assert moved is not None and moved.since == NOW - 300
