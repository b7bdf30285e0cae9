"""Give replays that are watched their tables: each run, and what came of each of its letters.

New tables, their indexes with them: nobody who writes waits. Down: drop them; letters stay as they are.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Whoever watches a run holds it until a moment that it puts off as it goes; a held run is nobody else's.
RUNS = """
CREATE TABLE replay_runs (
  id uuid PRIMARY KEY,
  asked_by text NOT NULL,
  wanted text NOT NULL,                           -- which letters, as it was asked for
  rate integer NOT NULL CHECK (rate > 0),         -- letters released in a second, at most
  stop_after integer CHECK (stop_after > 0),      -- letters that may come back dead; null: any number
  status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'interrupted', 'done', 'stopped')),
  holder uuid,
  held_until timestamptz,
  next_at timestamptz NOT NULL DEFAULT rk_now(),  -- no letter becomes due before
  started_at timestamptz NOT NULL DEFAULT rk_now(),
  finished_at timestamptz,
  CHECK ((status = 'running') = (holder IS NOT NULL)),
  CHECK ((holder IS NULL) = (held_until IS NULL)),
  CHECK ((status IN ('done', 'stopped')) = (finished_at IS NOT NULL))
);
CREATE INDEX ix_replay_runs_started_at ON replay_runs (started_at, id);
"""

LETTERS = """
CREATE TABLE replay_run_letters (
  run_id uuid NOT NULL REFERENCES replay_runs,
  number integer NOT NULL,                        -- from 1, in the order they died
  letter_id uuid NOT NULL REFERENCES dead_letters,
  customer_id text,
  answer text,                                    -- null: its turn has not come
  answered_at timestamptz,
  outcome text CHECK (outcome IN ('resolved', 'came_back', 'held_back', 'abandoned')),
  ended_at timestamptz,
  PRIMARY KEY (run_id, number),
  UNIQUE (run_id, letter_id),
  CHECK ((answer IS NULL) = (answered_at IS NULL)),
  CHECK ((outcome IS NULL) = (ended_at IS NULL))
);
CREATE INDEX ix_replay_run_letters_waiting ON replay_run_letters (run_id, number)
 WHERE answer IS NULL AND outcome IS NULL;
CREATE INDEX ix_replay_run_letters_trying ON replay_run_letters (run_id, number)
 WHERE answer IS NOT NULL AND outcome IS NULL;
CREATE INDEX ix_replay_run_letters_customer ON replay_run_letters (run_id, customer_id, number)
 WHERE customer_id IS NOT NULL;
CREATE INDEX ix_replay_run_letters_letter ON replay_run_letters (letter_id);
"""


def upgrade() -> None:
    cursor = op.get_bind().connection.cursor()
    cursor.execute(RUNS)
    cursor.execute(LETTERS)
    cursor.close()


def downgrade() -> None:
    op.execute("DROP TABLE replay_run_letters")
    op.execute("DROP TABLE replay_runs")
