"""What is said where the package that an adapter is for is not installed."""

from __future__ import annotations


def absent(package: str, missing: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error for an adapter's import; ``missing`` itself where the package is there, and
    something that *it* needs is not."""
    if missing.name != package:
        return missing
    return ModuleNotFoundError(
        f"harvester.sdk.{package} is for the package {package}, which is not installed "
        f"(pip install {package}); harvester itself does not need it",
        name=package,
    )
