"""The same deposits on DBOS and on Celery, as a good engineer would write them: what `bin/bench flows` compares.

They run in an environment of their own, `.venv` in this folder, made from `requirements.lock` beside it, and share no
code with the product. `tables.sql`, `rows` and `providers` are what both keep and call; `door` is their web process.
"""
