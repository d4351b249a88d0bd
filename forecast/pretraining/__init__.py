"""Series that a program makes up, and the recipe that trains the shipped network on them."""
