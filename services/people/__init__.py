"""The people service: what is true of a person whatever the case. Start at README.md."""
