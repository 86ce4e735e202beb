"""The verbs, a file each: the public Python API. ``etl/pipeline/`` has the steps that they share."""
