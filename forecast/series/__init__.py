"""Panels and calendars: series in time, and how their times are counted and written."""
