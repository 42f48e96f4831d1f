"""Pure: messages, rules, deciders, policy, duties and dates. No clock, randomness, input or output."""
