"""Messages to children, parents, victims and schools, by the events of the other services."""
