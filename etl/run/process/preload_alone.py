"""What the fork server of the command line imports: the same as any other, without numpy and pandas."""

from etl.run.process.hide_libraries import hide_libraries

hide_libraries()  # before the first array is made

import etl.run.process.preload  # noqa: E402, F401
