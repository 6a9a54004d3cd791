"""The program run in process under the SDK's test monitor, and what it asks for. Offline."""
