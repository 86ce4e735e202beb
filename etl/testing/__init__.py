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
