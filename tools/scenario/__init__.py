"""Scenarios: dated stories in the domain's words, read from files and played against the services."""
