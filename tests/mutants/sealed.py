"""Each rule about sealed records and the files they lie in, switched off."""

from __future__ import annotations

from collections.abc import Iterator

from mutant import Mutant

_SEAL = ("tests/unit/test_seal.py",)
_PLANTED = ("tests/faults/test_planted.py",)
_TABLE = ("tests/faults/test_error_table.py", "tests/unit/test_directory_damage.py")
_OLDER = ("tests/unit/test_older.py", "tests/unit/test_directory.py")


def mutants() -> Iterator[Mutant]:
    """By the rows of the table of errors in docs/security.md, then by the places of files."""
    # damaged
    yield Mutant(
        "a record whose checksum is wrong is damaged",
        "vault/seal.py",
        "if not hmac.compare_digest(checksum, _checksum_line(body)):",
        "if False:",
        _SEAL,
    )
    yield Mutant(
        "a record too large is not parsed",
        "vault/seal.py",
        "    if len(record) > MAX_RECORD_BYTES:\n",
        "    if False:\n",
        _SEAL,
    )
    yield Mutant(
        "a field that stands twice is none",
        "vault/seal.py",
        "if len({name for name, _ in pairs}) != len(pairs):",
        "if False:",
        _SEAL,
    )
    yield Mutant(
        "a body has one form in base64",
        "vault/seal.py",
        'if _b64(ciphertext).encode("ascii") != sealed:',
        "if False:",
        _SEAL,
    )
    yield Mutant(
        "a damaged record is set aside before it is written over",
        "vault/directory.py",
        "            self._disk.set_aside(directory, purpose, aside, stamp)\n",
        "            pass\n",
        _TABLE,
    )
    yield Mutant(
        "only the very file that was read is set aside",
        "vault/durable.py",
        "right = stamp_of(self._calls.lstat(aside, dir_fd=dir_fd)) == stamp",
        "right = True",
        ("tests/unit/test_durable.py",),
    )
    yield Mutant(
        "nothing is set aside under a name that is taken",
        "vault/durable.py",
        "self._calls.lstat(aside, dir_fd=dir_fd)\n                    return False",
        "self._calls.lstat(aside, dir_fd=dir_fd)",
        ("tests/unit/test_durable.py",),
    )
    yield Mutant(
        "three that were set aside are kept",
        "vault/aside.py",
        "SET_ASIDE_MOST = 3",
        "SET_ASIDE_MOST = 1",
        _TABLE,
    )
    yield Mutant(
        "what only looks like one that was set aside is not removed",
        "vault/aside.py",
        "if self._name.fullmatch(name) and self._is_ours(name)]",
        "if name.startswith(self._begins)]",
        ("tests/unit/test_aside.py",),
    )
    yield Mutant(
        "a ledger that was damaged is not one that is new",
        "vault/directory.py",
        'if purpose == "ledger" and self._aside(directory, purpose).any():',
        "if False:",
        _TABLE,
    )
    # another key
    yield Mutant(
        "a record of an unknown key is not ours to judge",
        "vault/seal.py",
        "master = self._keys.find(label.kid, label.kdf)\n",
        "master = self._keys.find(label.kid, label.kdf) or self._keys.current().primary\n",
        _SEAL,
    )
    yield Mutant(
        "what must not be overwritten is looked at before a write",
        "vault/directory.py",
        "        self._make_way(directory, profile, purpose)\n",
        "",
        _TABLE,
    )
    # tampered with
    yield Mutant(
        "the commitment is compared",
        "vault/seal.py",
        "if not hmac.compare_digest(commitment, parts.commitment):",
        "if False:",
        _SEAL,
    )
    yield Mutant(
        "the header is authenticated",
        "vault/seal.py",
        "AESGCM(key).decrypt(parts.nonce, parts.ciphertext, parts.header)",
        "AESGCM(key).decrypt(parts.nonce, parts.ciphertext, record.split(b'\\n')[1].lower())",
        _SEAL,
    )
    # swapped
    yield Mutant(
        "a record is for one profile and one purpose",
        "vault/seal.py",
        "if (label.profile, label.purpose) != (profile, purpose):",
        "if False:",
        _SEAL,
    )
    yield Mutant(
        "a record is for one purpose",
        "vault/seal.py",
        "if (label.profile, label.purpose) != (profile, purpose):",
        "if label.profile != profile:",
        _SEAL,
    )
    yield Mutant(
        "a profile and a purpose have a key of their own",
        "vault/seal.py",
        '{VERSION}|{purpose}|{profile}".encode()',
        '{VERSION}".encode()',
        _SEAL,
    )
    # too new
    yield Mutant(
        "a later version is told as such",
        "vault/seal.py",
        "if int(version[1]) > VERSION:",
        "if False:",
        _SEAL,
    )
    yield Mutant(
        "a field that is not known may change the meaning",
        "vault/seal.py",
        " or set(fields) - _HEADER_FIELDS or unknown:",
        " or unknown:",
        _SEAL,
    )
    # rolled back
    yield Mutant(
        "an older generation is noticed",
        "vault/directory.py",
        "rolled_back=opened.generation < last and not newest.from_previous,",
        "rolled_back=False,",
        _OLDER,
    )
    yield Mutant(
        "the site is asked before an older session is served",
        "held.py",
        "if fresh is Freshness.SPENT or self._asked_first:",
        "if fresh is Freshness.SPENT:",
        _OLDER,
    )
    yield Mutant(
        "an older session goes to no kept file before the site was asked",
        "held.py",
        "        await self.stamp.note()\n        if not self._asked_first:\n",
        "        await self.stamp.note()\n        if True:\n",
        _OLDER,
    )
    yield Mutant(
        "a person is told of an older session",
        "standing.py",
        "    if held.older is not None:\n",
        "    if False:\n",
        _OLDER,
    )
    yield Mutant(
        "an older session is not what another process made",
        "climb.py",
        "session = dated.session if dated.older is None else None",
        "session = dated.session",
        _OLDER,
    )
    yield Mutant(
        "who holds the last one stores it again",
        "held.py",
        "                self.unsaved = True\n            return False",
        "                pass\n            return False",
        _OLDER,
    )
    yield Mutant(
        "what damage left is asked about too",
        "older.py",
        "    if stored.from_previous:\n",
        "    if False:\n",
        _OLDER,
    )
    yield Mutant(
        "a ledger that is not the last one counts as spent",
        "kept_ledger.py",
        "if stored is None or not (stored.from_previous or stored.rolled_back):",
        "if True:",
        _OLDER,
    )
    # owner, mode, kind
    yield Mutant(
        "only a regular file is read or written",
        "vault/calls.py",
        "if not stat.S_ISREG(seen.st_mode):",
        "if False:",
        _PLANTED,
    )
    yield Mutant(
        "a file of another user is refused",
        "vault/calls.py",
        "if seen.st_uid != os.geteuid():",
        "if False:",
        _PLANTED,
    )
    yield Mutant(
        "a file that is open to others is refused",
        "vault/calls.py",
        "if seen.st_mode & _NOT_OURS_ALONE:",
        "if False:",
        _PLANTED,
    )
    yield Mutant(
        "what is there is looked at before it is opened",
        "vault/durable.py",
        "check_file(self._calls.lstat(name, dir_fd=dir_fd), path)\n                fd =",
        "self._calls.lstat(name, dir_fd=dir_fd)\n                fd =",
        _PLANTED,
    )
    yield Mutant(
        "what was opened is looked at again",
        "vault/durable.py",
        "                    check_file(seen, path)\n                    return",
        "                    return",
        _PLANTED,
    )
    yield Mutant(
        "no link is followed to read",
        "vault/durable.py",
        "_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW |",
        "_READ_FLAGS = os.O_RDONLY |",
        _PLANTED,
    )
    yield Mutant(
        "no pipe holds a reader",
        "vault/durable.py",
        "os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY",
        "os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY",
        _PLANTED,
    )
    yield Mutant(
        "what lies where the one before goes is looked at",
        "vault/durable.py",
        "(path, dir / (name + PREVIOUS)) if keep_previous else (path,):",
        "(path,):",
        _PLANTED,
    )
    yield Mutant(
        "a temporary name that is taken is not written through",
        "vault/durable.py",
        "_TEMP_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW |",
        "_TEMP_FLAGS = os.O_WRONLY | os.O_CREAT |",
        _PLANTED,
    )
    yield Mutant(
        "a temporary name that is taken is told as what it is",
        "vault/durable.py",
        "            with suppress(FileExistsError):\n                return temp",
        "            if True:\n                return temp",
        _PLANTED,
    )
    yield Mutant(
        "a lock has one name",
        "vault/lock.py",
        "                check_one_name(seen, self._path)\n",
        "",
        _PLANTED,
    )
    yield Mutant(
        "the journal has one name",
        "vault/journal.py",
        "                check_one_name(seen, path)\n",
        "",
        _PLANTED,
    )
    yield Mutant(
        "a lock is looked at before it is opened",
        "vault/lock.py",
        "                check_file(self._calls.lstat(self._path), self._path)\n",
        "                pass\n",
        _PLANTED,
    )
    yield Mutant(
        "no link is followed to lock",
        "vault/lock.py",
        "_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK",
        "_FLAGS = os.O_NONBLOCK",
        _PLANTED,
    )
    yield Mutant(
        "no link is followed to add to the journal",
        "vault/journal.py",
        "_ADD = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW |",
        "_ADD = os.O_WRONLY | os.O_APPEND | os.O_CREAT |",
        _PLANTED,
    )
    yield Mutant(
        "a folder of the store is no link, and ours alone",
        "vault/durable.py",
        "                check_owner(self._calls.fstat(fd), path, mode=DIRECTORY_MODE)\n",
        "                pass\n",
        ("tests/unit/test_durable.py", "tests/unit/test_directory_damage.py"),
    )
    yield Mutant(
        "the socket's lock has one name",
        "outlets/listen.py",
        " or found.st_nlink > 1:",
        ":",
        ("tests/unit/test_listen.py",),
    )
    # whole, for every reader
    yield Mutant(
        "a file comes into its place in one step",
        "vault/durable.py",
        "                self._calls.rename(temp, name, dir_fd)\n            except",
        "                (dir / name).write_bytes(data)\n            except",
        ("tests/faults/test_tight_reader.py", "tests/unit/test_durable.py"),
    )
    yield Mutant(
        "the one in use is never away while it becomes the one before",
        "vault/durable.py",
        "self._calls.link(path.name, second, dir_fd)",
        "self._calls.rename(path.name, second, dir_fd)",
        ("tests/faults/test_tight_reader.py", "tests/faults/test_store_faults.py"),
    )
    # what a person is told
    yield Mutant(
        "doctor opens the records",
        "cli/doctor.py",
        "    yield from stored.records(settings)\n",
        "",
        ("tests/cli/test_cli_stored.py",),
    )
    yield Mutant(
        "what is tampered with comes with the command that helps",
        "vault/aside.py",
        '    error.hint = f"find',
        '    _ = f"find',
        _TABLE,
    )
