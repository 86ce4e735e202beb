"""What the fork server of a test's process imports besides its own: else each worker would do it for itself.

Arrow imports pandas with the first array: 0.3 CPU seconds in each of the thousand workers of the suite.
"""

import pandas  # noqa: F401

from tests.support.launcher import import_all

import_all()
