"""Comparisons: what a provider has beside what we have, and how the breaks between them are worked on."""
