"""How far a model agrees with ranks or with people, and the reports that say it."""
