"""The canary run: every test runs with known secrets, and what it leaves is searched for them.

``marks.py`` says how the secrets are made recognisable, ``forms.py`` how one may be written,
``known.py`` which ones a test has; ``taps.py``, ``processes.py`` and ``trees.py`` gather what it
leaves, ``scan.py`` searches it, ``outlets.py`` says where a secret may be, ``plants.py`` proves
that each kind of place is looked into, and ``plugin.py`` is the pytest plugin of all that.
"""
