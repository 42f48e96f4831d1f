"""Messages to children, parents, victims and schools, by what the events of the other services say."""
