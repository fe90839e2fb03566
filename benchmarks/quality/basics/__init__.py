"""Small studies on generated series, whose tables the first pages of the guide show."""
