"""What Redis holds about a job: its record, the hash ``etl:{job}``, and its lock, ``etl:{job}:lock``.

``state`` says where an earlier run has left the job, ``fields`` how that is written, ``lock`` lets one run at
a time go on, ``presence`` shows whether its processes are there. Of a job that is loaded in shards, each has
keys of its own (``parts``, ``shards``). ``status`` reads all of it, ``stop`` asks a run to end.
"""
