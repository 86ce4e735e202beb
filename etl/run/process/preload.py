"""What the fork server imports before the first worker is forked from it, so that a worker starts at once.

Whatever is missing here each worker imports for itself: ``pyarrow.compute`` alone takes 50 ms.
"""

import etl.encode.resp.protocol
import etl.run.process.worker_main
import etl.sink.session.connect
import etl.source.text.files  # noqa: F401
from etl.run.signals import guard_fork_server, signals_are_blocked

if signals_are_blocked():  # the fork server that ``make_context`` has started, and no other process
    guard_fork_server()
