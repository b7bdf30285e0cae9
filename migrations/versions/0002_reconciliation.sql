-- What a comparison read from a provider, or from a file: there only while it runs. Losing it costs one run.
CREATE UNLOGGED TABLE reconciliation_records (
  run_id uuid NOT NULL,
  kind text NOT NULL,
  external_id text NOT NULL,
  status text NOT NULL,                           -- in the provider's words, lower case
  at timestamptz NOT NULL,                        -- when the provider made it
  asset text,
  amount numeric(38, 0),                          -- what came in
  asset_out text,
  amount_out numeric(38, 0),                      -- what went on
  fee numeric(38, 0),                             -- kept by the provider, in asset_out
  account text,                                   -- in whose listing it stood
  reference text,                                 -- shared by objects that are one movement of money
  fault text                                      -- why it cannot be read
);

ALTER TABLE reconciliation_runs
  ADD COLUMN source text NOT NULL DEFAULT 'listing',  -- or 'file'
  ADD COLUMN alive_at timestamptz NOT NULL DEFAULT rk_now();

-- One line of a run's report, in its order.
CREATE TABLE reconciliation_findings (
  run_id uuid NOT NULL REFERENCES reconciliation_runs,
  number integer NOT NULL,
  break_id uuid NOT NULL REFERENCES breaks,
  type text NOT NULL,
  subject text NOT NULL,
  flow_id uuid REFERENCES flows,
  ours text,
  theirs text,
  amount_at_risk numeric(38, 0),
  asset text,
  suggested_action text,
  PRIMARY KEY (run_id, number)
);

ALTER TABLE breaks
  ADD COLUMN about_at timestamptz,                -- which moment it is about: a comparison that covers it may close it
  ADD COLUMN resolved_by text;                    -- closed by a person: it stays closed while nothing about it changes
