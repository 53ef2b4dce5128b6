"""Training data: scores and stems in, items of vocals, accompaniment and lead sheet out."""
