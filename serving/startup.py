"""What a command sets for its process before anything large is imported. Not for those who import `serving.cli`."""

from __future__ import annotations

import gc
import os

# Imports make objects and hardly any garbage: looking for some on the way is a tenth of the start. What a long command
# leaves behind is still found, only later.
gc.set_threshold(100_000, 20, 20)
# No plugin of pydantic's is ours; looking for some opens every installed distribution, at each start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# gRPC's core writes of its own accord to standard error when its event loop is torn down by an interrupt.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
