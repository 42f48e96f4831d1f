"""Sittings of the joint decision-making panel: agenda, members, what it recommends in each case, and its actions."""
