"""`python -m agent` is `fabfleet-agent`."""

import sys

from agent.cli import main

sys.exit(main())
