"""From files, data frames and generators to a panel; entered by tasks and the public face alone."""
