"""What the fork server of the command line imports: the same as any other, without pandas."""

from etl.run.process.hide_pandas import hide_pandas

hide_pandas()  # before the first array is made

import etl.run.process.preload  # noqa: E402, F401
