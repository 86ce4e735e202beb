"""From records to the bytes of Redis commands. Pure: no I/O, no clock, no logging.

``mapping`` is what a record becomes, ``resp/`` makes the bytes of commands, ``rdb/`` those of finished
values, ``strategies/`` the encoders that put them on the wire, ``verify/`` the way back. The bytes are RESP
arrays of bulk strings (https://redis.io/docs/latest/develop/reference/protocol-spec/); inline commands are
never written, so data cannot become a command.
"""
