"""The way of redis-py's documentation into a cluster: one process, pipelines of 1000 SETs.

Usage: cluster_pipelines.py PORT FILE
"""

from __future__ import annotations

import sys

from redis.cluster import RedisCluster

COMMANDS = 1000


def main(port: int, path: str) -> None:
    pipeline = RedisCluster(host="127.0.0.1", port=port).pipeline()  # type: ignore[no-untyped-call]
    with open(path, "rb") as file:
        for k, line in enumerate(file):
            pipeline.set(str(k), line.rstrip(b"\n"))
            if len(pipeline) == COMMANDS:
                pipeline.execute()
    pipeline.execute()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
