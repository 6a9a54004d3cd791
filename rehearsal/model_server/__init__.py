"""Emulator for vLLM on TPU: the command line, the start, the OpenAI routes and the metrics, without a model."""
