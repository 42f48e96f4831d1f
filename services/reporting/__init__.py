"""Reporting projects what the deciding services publish, counts from it and answers; it decides nothing."""
