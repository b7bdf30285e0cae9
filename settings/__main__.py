"""Print the documentation: `python -m settings > docs/settings.md`."""

import sys

from settings.page import markdown

sys.stdout.write(markdown())
