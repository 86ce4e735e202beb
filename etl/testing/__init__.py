"""Contracts to subclass, for members of shelves: a format, an encoder, a sink is tested the day it exists.

Each part is a module of one contract: a class whose tests hold for every member, and a few hooks that say how
the member at hand is made. pytest finds the tests through the subclass::

    from etl.testing.format import FormatContract

    class TestOrc(FormatContract):
        suffix = ".orc"

        def write(self, path, records):
            ...

Only this package imports pytest, and nothing of the program imports this package.
"""

import pkgutil

import pytest

# What a contract asserts is shown as in a test's own module: with the values on both sides.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
