"""What is forecast: a value, a direction or a symbol; splits, season and horizon of a forecast task."""
