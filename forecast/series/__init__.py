"""Panels and the calendar: series in time, and how their times are counted and written."""
