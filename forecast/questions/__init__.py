"""What is asked: a value, a direction or a symbol; split, season and horizon."""
