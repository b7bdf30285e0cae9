"""`python -m scheduler`: run the clock."""

from scheduler.main import main

main()
