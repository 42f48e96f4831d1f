"""The report of an incident, one question a page."""
