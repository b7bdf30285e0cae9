"""Operations: audited actions, read models, the command line."""
