"""The one metadata object all tables register with."""

from sqlalchemy import MetaData

metadata = MetaData()
