"""Benchmarks: each module of this package is one, named after what it loads; `harness` serves them all.

A benchmark is a module with
- ``SUMMARY``: what it loads, in a few words, for ``--help``;
- ``RECORDS`` and ``QUICK_RECORDS``: how many records it loads by default and with ``--quick``;
- ``tables(settings)``: measures, and returns the tables to print.

It is run by name, ``scripts/bench/run lines``; a new file is found without being listed anywhere.
"""
