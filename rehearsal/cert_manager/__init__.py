"""Stand-in of cert-manager: issues certificates of its own CAs and injects CAs where annotations ask for it."""
