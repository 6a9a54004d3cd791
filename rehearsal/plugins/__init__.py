"""Provider plugins in Python: the frame that speaks Pulumi's provider protocol, and the plugins on it."""
