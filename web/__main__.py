"""`python -m web`: serve the web process."""

from web.main import main

main()
