"""The HTTP API of a service: its routes, by subject. shared/runtime/application.py puts them together."""
