"""Restorative justice conferences: consent, preparation, the meeting, what was agreed, and what became of it."""
