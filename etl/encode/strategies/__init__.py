"""One file a way over the wire, each an Encoder (the contract stands in ``etl/plan/encoder.py``)."""
