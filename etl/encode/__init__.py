"""From records to the bytes of Redis commands. Pure: no I/O, no clock, no logging.

One file a Redis type or wire strategy; each holds an Encoder (the contract stands in ``etl/plan/plan.py``).
The bytes are RESP arrays of bulk strings (https://redis.io/docs/latest/develop/reference/protocol-spec/);
inline commands are never written, so data cannot become a command.
"""
