"""Restoring event stores and topics from each other, and computing reporting anew."""
