"""Frozen returns: the answers of measures, kept to the byte with all that they rest on."""
