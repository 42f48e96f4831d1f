"""The checks of one service on live data: its event store, topic, keys and access log, as they are at a fixed position.

Each reads by the role `ooc_verify`, changes nothing, and notes what is broken instead of raising. The console's `ooc verify`
puts them together.
"""
