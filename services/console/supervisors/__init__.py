"""Supervisors' pages: the import of a register."""
