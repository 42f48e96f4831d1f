"""Education: sessions, the places booked in them, and the register."""
