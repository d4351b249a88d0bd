"""Everything that can be fitted on a past and forecast from it."""
