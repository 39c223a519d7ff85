"""Arrays, torch and numpy alone: the lattice, its objectives, and decoding."""
