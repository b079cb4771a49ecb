"""harvester: signs in to knoq.one with your own account and keeps the session alive for your tools.

Importing this package imports nothing else: a shell loop calls ``harvester token`` thousands of
times, and each import here would be paid on every call.  Names are found when first asked for.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
