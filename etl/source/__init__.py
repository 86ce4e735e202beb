"""Where records come from: one file a format, each a Source (the contract stands in ``etl/plan/plan.py``)."""
