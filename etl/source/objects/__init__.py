"""Python objects as sources: tables of any library, and iterables of dicts."""
