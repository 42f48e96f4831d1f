"""Operators' pages: lag, alarms, quarantine, what is parked."""
