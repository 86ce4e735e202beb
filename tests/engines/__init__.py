"""Engines that run shards on other machines, for real: ``scripts/test ray``.

They need what no other test does, and are collected only where they are named (``tests/conftest.py``).
"""
