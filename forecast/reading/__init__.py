"""From files, data frames and generators to a panel; entered through `sources` by tasks and the public face alone."""
