"""The signer: a short-lived process that does one sign-in (``python -m harvester.signin``).

The only place where a password, a one-time code or a browser exists.  ``dialogue.py`` says what
it is told and what it tells; everything else in this room is its own.
"""
