"""The way of redis-py's documentation: one process, pipelines of 1000 SETs.

Usage: pipelines.py PORT FILE [cluster]
"""

from __future__ import annotations

import sys
from typing import Any

import redis
from redis.cluster import RedisCluster

COMMANDS = 1000


def main(pipeline: Any, path: str) -> None:
    with open(path, "rb") as file:
        for k, line in enumerate(file):
            pipeline.set(str(k), line.rstrip(b"\n"))
            if len(pipeline) == COMMANDS:
                pipeline.execute()
    pipeline.execute()


def pipeline_to(port: int, *, cluster: bool) -> Any:
    if cluster:
        return RedisCluster(host="127.0.0.1", port=port).pipeline()  # type: ignore[no-untyped-call]
    return redis.Redis(port=port).pipeline(transaction=False)


if __name__ == "__main__":
    main(pipeline_to(int(sys.argv[1]), cluster=sys.argv[3:] == ["cluster"]), sys.argv[2])
