"""Networks as plain torch modules; nothing here knows how they are trained."""
