"""The script that this project began with: N processes, each reads every line and sets every N-th.

Usage: original.py PORT FILE
"""

from __future__ import annotations

import sys
from multiprocessing import Process

import redis
from tqdm import tqdm

WORKERS = 8


def work(i: int, port: int, path: str) -> None:
    client = redis.Redis(port=port)
    with open(path, "rb") as file:
        for k, line in enumerate(tqdm(file) if i == 0 else file):
            if k % WORKERS == i:
                client.set(str(k), line.strip())


def main(port: int, path: str) -> int:
    workers = [Process(target=work, args=(i, port, path)) for i in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(abs(worker.exitcode or 0) for worker in workers)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
