"""Pure functions of a run that every face reads: pictures as bytes, figures as records."""
