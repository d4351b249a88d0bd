"""Panels, where they come from, and what is known of them before anything is learnt."""
