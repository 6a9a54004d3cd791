"""Asking Google's APIs with Google's own clients: credentials, requests, and a name for everything that can go wrong."""
