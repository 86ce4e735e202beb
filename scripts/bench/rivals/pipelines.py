"""The way of redis-py's documentation: one process, pipelines of 1000 SETs.

Usage: pipelines.py PORT FILE
"""

from __future__ import annotations

import sys

import redis

COMMANDS = 1000


def main(port: int, path: str) -> None:
    pipeline = redis.Redis(port=port).pipeline(transaction=False)
    with open(path, "rb") as file:
        for k, line in enumerate(file):
            pipeline.set(str(k), line.rstrip(b"\n"))
            if len(pipeline) == COMMANDS:
                pipeline.execute()
    pipeline.execute()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
