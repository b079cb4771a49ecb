"""The vault: sealed records on a disk, the key they are sealed with, and secrets from outside.

    seal.py         a record: encrypted, authenticated, bound to profile, purpose and generation
    keys.py         the sealing key, its id, and keyed fingerprints
    secret.py       a secret from the environment, a file or a command
    calls.py        the system calls, and what is refused of a file
    durable.py      the disk: atomic, durable, private
    lock.py         one owner at a time, across processes
    journal.py      what happened, line by line
    generations.py  what was last written, to notice a rollback
    directory.py    a directory of records, and what to do about one that does not open

The vault keeps bytes by profile and purpose.  What the bytes mean is not its business.
"""
