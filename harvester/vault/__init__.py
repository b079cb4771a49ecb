"""The vault: sealed records on a disk, the key they are sealed with, and secrets from outside.

    seal.py         a record: encrypted, authenticated, bound to profile, purpose and generation
    keys.py         the sealing keys, their ids, and keyed fingerprints
    passphrase.py   a key from a passphrase, and its salt
    oskeyring.py    the desktop's keyring, asked by a program of its own
    key_places.py   where the keys are kept: one place, and no other in its stead
    closed.py       which keys seal no more
    ring.py         the keys as they are at this moment
    rewriting.py    all that is sealed, by its key; and each sealed anew
    secret.py       a secret from the environment, a file or a command
    calls.py        the system calls, and what is refused of a file
    durable.py      the disk: atomic, durable, private
    lock.py         one owner at a time, across processes
    journal.py      what happened, line by line
    generations.py  what was last written, to notice a rollback
    directory.py    a directory of records, and what to do about one that does not open

The vault keeps bytes by profile and purpose.  What the bytes mean is not its business.
"""
