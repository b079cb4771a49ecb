"""Each rule of "whoever gets a session is known, asked about and can be stopped", switched off."""

from __future__ import annotations

from collections.abc import Iterator

from mutant import Mutant

_PORTER = "tests/unit/test_porter.py"
_OUTLETS = "tests/contract/test_hand_outs.py"
_AUDIT = "tests/unit/test_audit.py"
_PAUSE = "tests/unit/test_pause.py"
_TRAIL = "tests/unit/test_trail.py"
_CONFIRM = "tests/unit/test_confirm.py"
_FILES = "tests/unit/test_files.py"
_LEASED = (
    "tests/contract/test_proxy_leases.py::test_who_tries_more_than_his_lease_is_for_is_in_the_audit"
)
_TCP = "tests/contract/test_proxy_tcp.py"


def _off(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


def mutants() -> Iterator[Mutant]:
    """One for each rule: what it says, where it stands, and how it is gone."""
    yield _off(
        "who pauses while a sign-in is waited for means its session too",
        "porter.py",
        "            served = await work()\n            self.check(profile)\n",
        "            served = await work()\n",
        _PORTER,
    )
    yield _off(
        "what is paused is asked about before anything is begun",
        "porter.py",
        "        try:\n            self.check(profile)\n            if self.confirm",
        "        try:\n            if self.confirm",
        _PORTER,
    )
    yield _off(
        "without a person's yes nothing is handed out",
        "porter.py",
        "        await self.admit(profile, operation, caller)\n",
        "",
        _PORTER,
    )
    yield _off(
        "a refusal is written down",
        "porter.py",
        "self.audit.tell(operation, profile, caller.visitor, caller.client, result=result)",
        "pass",
        _PORTER,
    )
    yield _off(
        "the lane asks the porter",
        "outlets/lane.py",
        "if not self._porter.lets_at_once(given.profile):",
        "if False:",
        _OUTLETS,
    )
    yield _off(
        "what the lane hands out is written down",
        "outlets/lane.py",
        "        self._porter.audit.tell(\n",
        "        (lambda *_, **__: None)(\n",
        _OUTLETS,
    )
    yield _off(
        "a pause stops a connection of the proxy that was let in",
        "outlets/entrance.py",
        "        self.check()\n        served = await get()\n        self.check()\n",
        "        served = await get()\n",
        _OUTLETS,
    )
    yield _off(
        "what is paused is not sent once more",
        "outlets/errand.py",
        "            verdict = served.verdict\n            self._entrance.check()\n",
        "            verdict = served.verdict\n",
        _OUTLETS,
    )
    yield _off(
        "what waits for its place is not sent after a pause",
        "outlets/errand.py",
        "            self._entrance.check()\n            answer",
        "            answer",
        _OUTLETS,
    )
    yield _off(
        "what waits for its place is not sent after a theft",
        "outlets/errand.py",
        "            self._keeper.handout.admit()\n",
        "",
        _OUTLETS,
    )
    yield _off(
        "who is turned away at the TCP port is written down",
        "outlets/proxy.py",
        'self._porter.audit.tell(PROXY, None, STRANGER, result=f"http_{refused.status}")',
        "pass",
        _OUTLETS,
    )
    yield _off(
        "a pause that cannot be read is one",
        "pause.py",
        "            self._all = self._all or self._clock.wall_s()\n            return\n",
        "            return\n",
        _PAUSE,
    )
    yield _off(
        "a pause holds though no disk takes it",
        "pause.py",
        "        if self._owed:\n",
        "        if False:\n",
        _PAUSE,
    )
    yield _off(
        "what another process paused is not written over",
        "pause.py",
        "            self._beside_others(profile, now)\n",
        "            pass\n",
        _PAUSE,
    )
    yield _off(
        "who resumes has seen what another process paused",
        "pause.py",
        "            self.follow()  # one",
        "            pass  # one",
        _PAUSE,
    )
    yield _off(
        "all paused, none is resumed alone",
        "pause.py",
        "if profile is not None and self._all is not None:",
        "if False:",
        _PAUSE,
    )
    yield _off(
        "what is paused lies in no file",
        "outlets/files.py",
        "        if not self._allowed():\n            self._remove()\n        elif",
        "        if",
        _FILES,
    )
    yield _off(
        "the audit hashes with a key",
        "audit.py",
        'hmac.digest(key, said, "sha256")',
        'hmac.digest(b"k", said, "sha256")',
        _AUDIT,
    )
    yield _off(
        "nobody waits for the audit's disk",
        "audit.py",
        "if len(self._queue) < WAITING_MOST:",
        "if True:",
        _AUDIT,
    )
    yield _off(
        "a flood does not wash the trail away",
        "audit.py",
        "            if self._room > 0:\n",
        "            if True:\n",
        _AUDIT,
    )
    yield _off(
        "the audit's file is ours alone",
        "vault/trail.py",
        "            check_file(self._calls.fstat(fd), self.path)\n",
        "            pass\n",
        _TRAIL,
    )
    yield _off(
        "the audit follows no link",
        "vault/trail.py",
        "os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK",
        "os.O_CREAT | os.O_NONBLOCK",
        _TRAIL,
    )
    yield _off(
        "one client has one question open",
        "confirm.py",
        "async with turn.lock, self._few:",
        "async with self._few:",
        _CONFIRM,
    )
    yield _off(
        "nobody is asked about who has gone away",
        "confirm.py",
        "if caller.is_gone():",
        "if False:",
        _CONFIRM,
    )
    yield _off(
        "nobody is asked about what was paused while it waited",
        "confirm.py",
        "                check()\n",
        "",
        _CONFIRM,
    )
    yield _off(
        "who tries more than his lease is for is in the audit",
        "outlets/proxy.py",
        "self._lease_refused(request, held, error)",
        "pass",
        _LEASED,
    )
    yield _off(
        "a name is short printable ASCII",
        "visitor.py",
        'r"[!-~]{1,64}"',
        'r"(?s).*"',
        _OUTLETS,
    )
    yield _off(
        "a token that is said twice is none",
        "outlets/proxy_gate.py",
        "if any(len(headers.getall(name, [])) > 1 for name in CREDENTIALS):",
        "if False:",
        _TCP,
    )
    yield _off(
        "a name that was rebound is not let in",
        "outlets/proxy_gate.py",
        "if hosts != [self._authority]:",
        "if False:",
        _TCP,
    )
