"""``python -m stillopen`` is the command ``stillopen``."""

from stillopen.cli import main

main()
