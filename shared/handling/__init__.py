"""Decide a command and append its events: the handler, its fact cache, its queue by stream."""
