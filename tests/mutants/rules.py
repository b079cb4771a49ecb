"""Each rule of "never lose a session, never lock an account", switched off."""

from __future__ import annotations

from collections.abc import Iterator

import alarms
import hand_out_rules
import key_rules
import private
import sealed
from mutant import Mutant

_BROWSERLESS = (
    "tests/unit/test_keeper.py",
    "tests/unit/test_ladder.py",
    "tests/unit/test_ledger.py",
)


def _off(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests) if tests else Mutant(name, file, old, new)


def mutants() -> Iterator[Mutant]:
    """One for each rule: what it says, where it stands, and how it is gone."""
    yield from sealed.mutants()
    yield from key_rules.mutants()
    yield _off(
        "only our own probe takes a session away",
        "keeper.py",
        "if judged.verdict is Verdict.UNREACHABLE:",
        "if False:",
    )
    yield _off(
        "a refusal needs two witnesses",
        "witness.py",
        "            if verdict is Verdict.DENIED and self._is_at_hand(session):\n",
        "            if self._is_at_hand(session):\n",
    )
    yield _off(
        "an attempt is written down before it is made",
        "overseer.py",
        "return await self._write_down(self.ledger.with_submit(now, fingerprint))",
        "return None",
    )
    yield _off(
        "a touch is written down before it is made",
        "climb.py",
        "        await note_down(self._records, spent)\n        return spent",
        "        return spent",
    )
    yield _off(
        "a silent sign-in is written down before it is made",
        "sign_ins.py",
        "            await note_down(self._records, ledger)\n            return await self._sign",
        "            return await self._sign",
    )
    yield _off(
        "who brings a session waits for who is at work",
        "by_hand.py",
        "async with locked(self._records.lock(), patience_s):",
        "if True:",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "an unlock clears what the person has seen",
        "pardon.py",
        "if asked_at < one.at <= now",
        "if False",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "an unlock tells of the latch that was set while it waited",
        "keeper.py",
        "if newer is not None:",
        "if False:",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "a sign-out is written down before the site is asked",
        "by_hand.py",
        "            await to_the_end(self._records.keep_ledger, ledger)\n            signed_out",
        "            signed_out",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "what cannot be written down is not done",
        "overseer.py",
        "            return error\n        self.ledger = ledger",
        "            self.ledger = ledger\n        self.ledger = ledger",
    )
    yield _off(
        "a refused secret is not sent again",
        "ledger.py",
        "if self.aged_s - at < REJECTED_REMEMBERED_S",
        "if False",
    )
    yield _off(
        "two different refused secrets end it",
        "budgets.py",
        "if len(refused) >= SUBMITS_SINCE_SUCCESS:",
        "if False:",
    )
    yield _off(
        "two sends without a success end it",
        "budgets.py",
        "if len(counted) >= SUBMITS_SINCE_SUCCESS:",
        "if False:",
    )
    yield _off(
        "so many an hour, so many a day",
        "budgets.py",
        "if len(recent) >= limit:",
        "if False:",
    )
    yield _off(
        "an account counts in all its profiles",
        "budgets.py",
        "for each in (ledger, *others)",
        "for each in (ledger,)",
    )
    yield _off(
        "of all profiles of an account one sends at a time",
        "sign_ins.py",
        "async with locked(self._records.account_lock(self._account), self._patience_s()):",
        "if True:",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "an account that is locked is so for all its profiles",
        "budgets.py",
        "        if left_s > 0:\n            return AccountLocked(",
        "        if False:\n            return AccountLocked(",
    )
    yield _off(
        "what an unread profile of the account sent counts",
        "budgets.py",
        "if other.unread and",
        "if False and",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "a code counts in all profiles of its account",
        "sign_ins.py",
        "(one.totp_step for one in (ledger, *others) if",
        "(one.totp_step for one in (ledger,) if",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "an error is no reason for a heavier action",
        "climb.py",
        "            raise SiteDown(why, hint=hint, retry_after_s=after_s)",
        "            return None",
    )
    yield _off(
        "one flight for all callers",
        "flight.py",
        "        if self._task is None or self._crowd is None:\n            if self._error",
        "        if True:\n            if self._error",
        "tests/faults/test_many_callers.py",
        "tests/unit/test_keeper.py",
    )
    yield _off(
        "one sign-in for all processes",
        "climb.py",
        "async with locked(self._records.lock(), self._patience_s()) as waited_s:",
        "for waited_s in (0.0,):",
        "tests/unit/test_locking.py",
        *_BROWSERLESS,
    )
    yield _off(
        "a latch stops",
        "ledger.py",
        "if latch is None or rung not in latch.blocks:",
        "if True:",
    )
    yield _off(
        "a firm latch outlives a change of settings",
        "ledger.py",
        "if not latch.firm and latch.settings != settings:",
        "if latch.settings != settings:",
    )
    yield _off(
        "a send whose answer was never seen counts",
        "settle.py",
        "        ledger = ledger.with_lost()",
        "        pass",
    )
    yield _off(
        "after it a code step is waited",
        "settle.py",
        "if sent and (error.retry_after_s or 0.0) < AMBIGUOUS_WAIT_S:",
        "if False:",
    )
    yield _off(
        "Retry-After is honoured",
        "ledger.py",
        "if error.retry_after_s:  #",
        "if False:  #",
    )
    yield _off(
        "Retry-After is a day at most",
        "ledger.py",
        "wait_s = min(error.retry_after_s, RETRY_AFTER_MOST_S)",
        "wait_s = error.retry_after_s",
    )
    yield _off(
        "failures wait longer and longer",
        "ledger.py",
        "BACKOFF_FIRST_S * 2 ** min(self.failures, 20)",
        "BACKOFF_FIRST_S",
    )
    yield _off(
        "a locked account is left alone for a day",
        "pardon.py",
        "    if left_s > 0 and not force:",
        "    if False:",
    )
    yield _off(
        "silent sign-ins come from a bucket",
        "ladder.py",
        '            if wait_s <= 0:\n                return Climb("silent")',
        '            if True:\n                return Climb("silent")',
    )
    yield _off(
        "touches and renewals come from buckets",
        "ladder.py",
        "return Climb(rung) if wait_s <= 0 else Stop(_spent(rung, wait_s))",
        "return Climb(rung)",
    )
    yield _off(
        "a switch of the organisation has a budget",
        "budgets.py",
        "if len(recent) < SWITCHES_PER_HOUR:",
        "if True:",
        "tests/unit/test_switching.py",
    )
    yield _off(
        "a probe answers only reports that came before it",
        "reports.py",
        "            if _of(now.task) is Verdict.DENIED:\n",
        "            if True:\n",
    )
    yield _off(
        "probes come from a bucket",
        "reports.py",
        "        missing = 1 - self._tokens()\n",
        "        missing = 0\n",
    )
    yield _off(
        "a generation is never given twice",
        "staging.py",
        "generation=max(last_generation, 0 if current is None else current.generation) + 1,",
        "generation=1,",
    )
    yield _off(
        "an older generation is no work",
        "keeper.py",
        "if generation != session.generation:",
        "if False:",
    )
    yield _off(
        "only a proved session replaces one",
        "keeper.py",
        "        last = self._held.usable()\n        if last is None:\n            await",
        "        last = None\n        if last is None:\n            await",
    )
    yield _off(
        "a refusal is written down where nobody may climb",
        "ascent.py",
        "if self._condition.ledger.refused < last.generation:",
        "if False:",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "a refused session stays refused over a restart",
        "opening.py",
        "if session is not None and session.generation <= condition.ledger.refused:",
        "if False:",
    )
    yield _off(
        "a ledger that cannot be read counts as spent",
        "kept_ledger.py",
        'blocks=("scripted",), settings="", firm=True',
        'blocks=(), settings="", firm=True',
        "tests/unit/test_keeper.py",
    )
    yield _off(
        "a clock that went back refills nothing",
        "bucket.py",
        "gained = max(0.0, now - self.at) / refill_s",
        "gained = abs(now - self.at) / refill_s",
    )
    yield _off(
        "a cheap rung that does not help is given up",
        "ladder.py",
        "(ledger.worth(rung, now) or facts.why in _ANYHOW)",
        "True",
    )
    yield _off(
        "an unknown page twice is for a person",
        "settle.py",
        "if ledger.unrecognised < UNRECOGNISED_TRIES:",
        "if True:",
    )
    yield _off(
        "a code's step is stored before it is typed",
        "overseer.py",
        "return await self._write_down(self.ledger.with_totp_step(step))",
        "return None",
    )
    yield _off(
        "a code is never of an older step",
        "signin/codes.py",
        "if last_step is not None and step <= last_step <= step + AHEAD_AT_MOST_STEPS:",
        "if False:",
        "tests/unit/test_signin_codes.py",
    )
    yield _off(
        "a code that is about to end is not typed",
        "signin/codes.py",
        "if (step + 1) * period_s - now_s < LEAST_LEFT_S:",
        "if False:",
        "tests/unit/test_signin_codes.py",
    )
    yield _off(
        "rolled cookies do not wear out the disk",
        "held.py",
        "if now - self._stored_at >= every_s:",
        "if True:",
    )
    yield _off(
        "what was rolled is told to who was refused with it",
        "held.py",
        "if before is None or not self._rolled:",
        "if True:",
    )
    yield _off(
        "no two sessions have one number",
        "held.py",
        "            if not await self._counted(generation):\n                return\n",
        "",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "many daemons do not come in one second",
        "lifetime.py",
        "return int.from_bytes(seed[:4]) / 2**32",
        "return 0.0",
    )
    yield _off(
        "a no about a value that was rolled away is none",
        "witness.py",
        "return (held.generation, held.cookies) != (asked.generation, asked.cookies)",
        "return False",
        "tests/unit/test_witnesses.py",
    )
    yield _off(
        "a no about the session before is none about the next",
        "witness.py",
        "return (held.generation, held.cookies) != (asked.generation, asked.cookies)",
        "return held.generation == asked.generation and held.cookies != asked.cookies",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "one no about each of two sessions is none",
        "witness.py",
        "if verdict is Verdict.DENIED and self._is_at_hand(session):",
        "if verdict is Verdict.DENIED:",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "callers in doubt are no storm",
        "witness.py",
        "if self._clock.awake_s() - self._silent_at < SILENT_FOR_S:",
        "if False:",
        "tests/unit/test_witnesses.py",
    )
    yield _off(
        "who signed out is not signed in again unasked",
        "upkeep.py",
        "        if self._condition.signed_out:\n            return LOOK_AT_LEAST_EVERY_S\n",
        "",
        "tests/unit/test_witnesses.py",
        "tests/unit/test_keeper.py",
    )
    yield _off(
        "who waits for his turn is called off with the rest",
        "flight.py",
        "while (task := self._task) is not None:\n            task.cancel()\n",
        "if self._task:\n            self._task.cancel()\n        while (task := self._task):\n",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "who was in doubt at a sign-out is not signed in behind it",
        "keeper.py",
        "            self._held.still()\n            session, wait_s",
        "            session, wait_s",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "what was refused meanwhile is no answer to a report",
        "keeper.py",
        "            if not self._held.refused:\n                if session.generation",
        "            if True:\n                if session.generation",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "who waits for a lock is not signed in behind a sign-out there",
        "climb.py",
        "if waited_s > 0 and current is not None and ledger.signed_out:",
        "if False:",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "what was signed out is not stored again",
        "records.py",
        "if stored is None and self.ledger().signed_out:",
        "if False:",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "a climb takes up no session that was refused",
        "climb.py",
        "known = ledger.refused if current is None else max(ledger.refused, current.generation)",
        "known = 0 if current is None else current.generation",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "a tick takes up no session that was refused",
        "held.py",
        "known = refused if self.session is None else max(refused, self.session.generation)",
        "known = 0 if self.session is None else self.session.generation",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "a silent site is asked again",
        "upkeep.py",
        "if self._witness.silent_since is not None:",
        "if False:",
        "tests/unit/test_witnesses.py",
    )
    yield _off(
        "a climb that failed is tried again by the schedule",
        "keeper.py",
        "if not self._upkeep.looking:",
        "if False:",
        "tests/unit/test_witnesses.py",
    )
    yield _off(
        "what a person asks for is looked into anew",
        "flight.py",
        "if self._error is not None and not anew and self._is_new():",
        "if self._error is not None and self._is_new():",
        "tests/unit/test_witnesses.py",
    )
    yield _off(
        "a refusal is written down though nobody may act upon it",
        "keeper.py",
        "            await self._ascent.remember()\n            raise SignInForbidden(",
        "            raise SignInForbidden(",
        "tests/unit/test_witnesses.py",
    )
    yield _off(
        "what is broken stays so until it is known to be mended",
        "opening.py",
        "before, broken = condition.broken, await self._read()",
        "before, condition.broken = condition.broken, None\n        broken = await self._read()",
        "tests/unit/test_opening.py",
    )
    yield _off(
        "a write that was begun is over before the lock is given back",
        "locking.py",
        "        except asyncio.CancelledError as error:\n            gone = error",
        "        except asyncio.CancelledError:\n            raise",
        "tests/unit/test_locking.py",
    )
    yield _off(
        "a site that asks for rest is left alone",
        "witness.py",
        "        if self.rest_s > 0:\n            return Verdict.UNREACHABLE\n",
        "",
        "tests/faults/test_site_faults.py",
    )
    yield _off(
        "a site that asks for rest is left alone by every rung",
        "ascent.py",
        'if why != "headed":\n                self._witness.raise_if_resting()',
        "if False:\n                self._witness.raise_if_resting()",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "a clock that is set moves no age",
        "steady.py",
        "return self._machine.awake_s() + self._apart_s",
        "return self._machine.wall_s()",
        "tests/unit/test_sleep_and_steps.py",
        "tests/unit/test_clock.py",
    )
    yield _off(
        "after a sleep the site is asked first",
        "steady.py",
        "if slept_s > SLEPT_S else",
        "if False else",
        "tests/unit/test_sleep_and_steps.py",
        "tests/unit/test_clock.py",
    )
    yield _off(
        "the session before teaches only where it was seen alive",
        "afterlife.py",
        "            if self._seen_alive:\n",
        "            if True:\n",
        "tests/unit/test_afterlife.py",
    )
    yield _off(
        "nobody falls back upon a session that is refused too",
        "succession.py",
        "        if touched.session is None:\n            return None\n",
        "",
        "tests/unit/test_afterlife.py",
    )
    yield _off(
        "nobody falls back upon what another process saw refused",
        "ascent.py",
        "if last is not None and last.generation <= self._condition.ledger.refused:",
        "if False:",
        "tests/unit/test_crossings.py",
    )
    yield _off(
        "only who dies young gives way to the one before",
        "succession.py",
        "if before is None or self._clock.wall_s() - current.renewed_at > young_s:",
        "if before is None:",
        "tests/unit/test_afterlife.py",
    )
    yield _off(
        "three tries with a browser that fails",
        "settle.py",
        "if faults < BROWSER_TRIES:",
        "if True:",
        "tests/unit/test_classes.py",
    )
    yield _off(
        "an emptied cookie replaces none",
        "setcookie.py",
        "if not cookie.value or (cookie.expires_at is not None and cookie.expires_at <= now_s):",
        "if False:",
        "tests/unit/test_setcookie.py",
    )
    yield from private.mutants()
    yield from alarms.mutants()
    yield from _of_leases()


def _of_leases() -> Iterator[Mutant]:
    """What a lease's token may not do, and when it may do nothing any more."""
    scope, book = "tests/unit/test_scope.py", "tests/unit/test_leases.py"
    proxy = "tests/contract/test_proxy_leases.py"
    yield _off(
        "a leased path has one reading",
        "scope.py",
        "return has_one_reading(path) and any(",
        "return any(",
        scope,
    )
    yield _off(
        "a star is no more than a segment",
        "scope.py",
        "return len(wanted) == len(given) and all(",
        "return all(",
        scope,
    )
    yield _off(
        "nothing makes a leased request another one",
        "outlets/lease_gate.py",
        "if override is not None:",
        "if False:",
        proxy,
    )
    yield _off(
        "a lease is for its profile",
        "outlets/lease_gate.py",
        "if PROFILE_HEADER in headers and asked.profile != terms.profile:",
        "if False:",
        proxy,
    )
    yield _off(
        "no lease changes or ends the session",
        "outlets/lease_gate.py",
        "if asked.switches_organization(site) or _signs_out(asked, site):",
        "if False:",
        proxy,
    )
    yield _off(
        "what looks like a lease is not passed over",
        "outlets/lease_gate.py",
        "elif _PREFIX in one.secret and not one.secret.startswith(_OWN):",
        "elif False:",
        proxy,
    )
    yield _off(
        "a lease's token as a user name is not passed over",
        "outlets/lease_gate.py",
        "        if one.user[: len(_PREFIX)].lower() == _PREFIX:",
        "        if False:",
        proxy,
    )
    yield _off(
        "of a lease a digest is kept",
        "leases.py",
        'return hmac.digest(self._key, token, "sha256")',
        "return token",
        book,
    )
    yield _off(
        "of two leases none counts",
        "outlets/lease_gate.py",
        "if len(found) > 1:",
        "if False:",
        proxy,
    )
    yield _off(
        "who shows no lease on TCP shows the token",
        "outlets/proxy.py",
        "            gate.check_token(request.headers)\n",
        "            pass\n",
        "tests/contract/test_proxy_tcp.py",
    )
    yield _off(
        "a revoked lease is on the disk before that is told",
        "leases.py",
        "        await self._keep_revoked()\n        return before",
        "        return before",
        book,
    )
    yield _off(
        "what runs under a lease ends with it",
        "leases.py",
        "profile=held.lease.terms.profile)\n        held.stop()",
        "profile=held.lease.terms.profile)",
        book,
    )
    yield _off(
        "a use is on the disk before it is had",
        "leases.py",
        "        if terms.uses is not None:\n            await self._keep()\n",
        "        if terms.uses is not None:\n",
        book,
    )
    yield _off(
        "a lease has its rate",
        "leases.py",
        "if bucket.tokens < 1:",
        "if False:",
        book,
    )
    yield _off(
        "a lease ends by both clocks",
        "leases.py",
        "return max(0.0, min(by_wall_s, held.over_at_s - self._clock.awake_s()))",
        "return max(0.0, by_wall_s)",
        book,
    )
    yield _off(
        "an older record of the leases is not believed",
        "kept_leases.py",
        "if stored.from_previous or stored.rolled_back:",
        "if False:",
        book,
    )
    yield _off(
        "a book that cannot be read honours nothing",
        "leases.py",
        "            self.trouble = error\n            event(",
        "            event(",
        book,
    )
    yield from hand_out_rules.mutants()
