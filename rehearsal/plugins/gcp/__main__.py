"""The plugin's program: `python -m rehearsal.plugins.gcp`."""

from rehearsal.plugins.gcp.server import main

if __name__ == "__main__":
    main()
