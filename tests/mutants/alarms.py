"""Each rule of the tripwire, switched off (see ``rules.py``)."""

from __future__ import annotations

from collections.abc import Iterator

from mutant import Mutant

_TABLES = ("tests/unit/test_tripwire.py",)
_DOOR = ("tests/unit/test_handout.py",)
_KILLED = ("tests/faults/test_killed_alarms.py",)


def mutants() -> Iterator[Mutant]:
    yield Mutant(
        "who is held types no secret",
        "ladder.py",
        "if facts.held is not None:",
        "if False:",
        _DOOR,
    )
    yield Mutant(
        "a shut door ends the lane",
        "keeper.py",
        "if self._condition.broken is not None or self.handout.shut is not None:",
        "if self._condition.broken is not None:",
        _DOOR,
    )
    yield Mutant(
        "what was on its way when the door fell shut does not leave",
        "handout.py",
        "        self.handout.admit()\n        return served",
        "        return served",
        _DOOR,
    )
    yield Mutant(
        "only a durable ledger opens the door",
        "handout.py",
        "self.shut = closed if sure else closed or self.shut",
        "self.shut = closed",
        _DOOR,
    )
    yield Mutant(
        "a sign is in what others write meanwhile",
        "handout.py",
        "        seen = ledger.with_alarm(pending)",
        "        seen = ledger",
        _DOOR,
    )
    yield Mutant(
        "nothing is laid out while the door is shut",
        "handout.py",
        "await publish(None if self.shut is not None else served)",
        "await publish(served)",
        _DOOR,
    )
    yield Mutant(
        "an alarm is known before the store is taken up",
        "keeper.py",
        "        await self.handout.start()\n",
        "",
        _DOOR,
    )
    yield Mutant(
        "somebody is called once",
        "handout.py",
        "return self._summons.calls and not alarm.told and",
        "return self._summons.calls and",
        _DOOR,
    )
    yield Mutant(
        "another user's cookies are never taken in",
        "handout.py",
        "if alarm is not None and tripwire.differ(was.identity, says.identity):",
        "if False:",
        _DOOR,
    )
    yield Mutant(
        "no bundle leaves while serving is held",
        "bundle.py",
        "        if held is not None:\n            raise held",
        "",
        _DOOR,
    )
    yield Mutant(
        "nobody falls back while serving is held",
        "succession.py",
        "if tripwire.closed(ledger.alarm, self._profile.tripwire) is not None:",
        "if False:",
        _DOOR,
    )
    yield Mutant(
        "a session that was put back is told of",
        "records.py",
        '            self._ledger.put_back("session", stored.generation, last)\n',
        "",
        _DOOR,
    )
    yield Mutant(
        "a ledger that was put back is told of",
        "kept_ledger.py",
        '                    self.put_back("ledger", stored.generation, last)\n',
        "                    pass\n",
        _DOOR,
    )
    yield Mutant(
        "an alarm is written down before it is told",
        "succession.py",
        "            await note_down(self._records, after)\n"
        "            if after.alarm is not None and after.alarm != ledger.alarm:\n"
        "                announce(self._profile, after.alarm)\n",
        "            if after.alarm is not None and after.alarm != ledger.alarm:\n"
        "                announce(self._profile, after.alarm)\n"
        "            await note_down(self._records, after)\n",
        _KILLED,
    )
    for name, old, new in _READINGS:
        yield Mutant(name, "tripwire.py", old, new, _TABLES)
    yield Mutant(
        "an unlock clears only the alarm that was seen",
        "pardon.py",
        "unseen_alarm = alarm is not None and asked_at < alarm.since <= now",
        "unseen_alarm = False",
        _TABLES,
    )
    yield Mutant(
        "a store that knows nothing but an alarm keeps it",
        "union.py",
        " or ledger.generation or ledger.alarm)",
        " or ledger.generation)",
        _TABLES,
    )


_READINGS = (
    (
        "who shut the door shut it for every process",
        "if alarm is None or not (alarm.held or setting",
        "if alarm is None or not (setting",
    ),
    (
        "a sign-out of ours is no theft",
        "or signed_out or not clocks_agree",
        "or not clocks_agree",
    ),
    (
        "an age by clocks that were set proves nothing",
        "or not clocks_agree or session.brought:\n        return None\n    if has_changed",
        "or session.brought:\n        return None\n    if has_changed",
    ),
    (
        "a session that a person has too may end there",
        "or not clocks_agree or session.brought:",
        "or not clocks_agree:",
    ),
    ("the second end of one age is a rule", "    if has_changed(lives, life):", "    if False:"),
    ("a declared end alone proves little", "if len(older) < OUTLIVED_BY:", "if False:"),
    (
        "disuse that nobody has borne explains an end",
        "if life.last_gap_s > borne_s * LONGER_BY:",
        "if False:",
    ),
    (
        "a name in common is the same organisation",
        "if known.isdisjoint(name.casefold() for name in after.organizations):",
        "if before.organizations != after.organizations:",
    ),
    (
        "a session of ours whose value was rolled is ours",
        "same = abs(stored.obtained_at - ours.obtained_at) <= SAME_TIME_S",
        "same = False",
    ),
)
