"""What the fork server imports before the first worker is forked from it, so that a worker starts at once."""

import etl.run.processes
import etl.target.connection  # noqa: F401
