"""What Redis holds about a job: its record, the hash ``etl:{job}``, and its lock, ``etl:{job}:lock``.

``record`` says where an earlier run has left the job, ``lock`` lets one run at a time go on.
"""
