"""How many examples hypothesis tries: few in every run, many with ``--hypothesis-profile=thorough``."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

QUICK = 15
THOROUGH = 2000

# No deadline: how long an example takes says more about the machine than about the code. The blob repeats a
# failure elsewhere. Fixtures of a function may be shared by its examples: ours are not changed by them.
_EVERYWHERE: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def register_profiles() -> None:
    """Register the profiles and load the quick one; pytest's option loads another before the tests."""
    settings.register_profile("quick", max_examples=QUICK, **_EVERYWHERE)
    settings.register_profile("thorough", max_examples=THOROUGH, **_EVERYWHERE)
    settings.load_profile("quick")


def examples(times: float) -> settings:
    """Return settings for ``times`` as many examples as usual, whatever the profile."""
    return settings(max_examples=max(1, round(settings().max_examples * times)))
