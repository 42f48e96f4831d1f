"""Tracing, latency and progress."""
