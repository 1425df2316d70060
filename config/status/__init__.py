"""How the waiting rooms, the sale and the machinery are at a moment: for a terminal, and for programs."""
