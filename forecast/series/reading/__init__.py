"""From a person's file to a panel, with everything found out on the way said aloud."""
