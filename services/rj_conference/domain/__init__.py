"""The domain of restorative justice conferences: commands, state, rules, decisions, duties and dated values."""
