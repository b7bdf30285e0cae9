-- The same rows as the product keeps of a deposit, in plain tables: the keys they need, no triggers, no further indexes.

CREATE TABLE customers (
  id text PRIMARY KEY,
  virtual_account text NOT NULL UNIQUE,
  brokerage_account text NOT NULL
);

CREATE TABLE flows (
  id uuid PRIMARY KEY,
  transfer_id text NOT NULL UNIQUE,
  state text NOT NULL,
  customer_id text NOT NULL REFERENCES customers,
  account text NOT NULL,
  amount numeric(38, 0),
  asset text,
  amount_out numeric(38, 0),
  asset_out text,
  journal_id text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  closed_at timestamptz
);

CREATE TABLE inbox_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider text NOT NULL,
  event_id text NOT NULL,
  type text,
  body bytea NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL DEFAULT 'received',
  flow_id uuid REFERENCES flows,
  handled_at timestamptz,
  UNIQUE (provider, event_id)
);

CREATE TABLE attempts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  flow_id uuid NOT NULL REFERENCES flows,
  step text NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  outcome text NOT NULL,
  provider text NOT NULL
);
CREATE INDEX ON attempts (flow_id);

CREATE TABLE transitions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  flow_id uuid NOT NULL REFERENCES flows,
  from_state text,
  to_state text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON transitions (flow_id);

CREATE TABLE flow_references (
  provider text NOT NULL,
  kind text NOT NULL,
  external_id text NOT NULL,
  flow_id uuid NOT NULL REFERENCES flows,
  PRIMARY KEY (provider, kind, external_id)
);

CREATE TABLE ledger_accounts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text NOT NULL,
  name text NOT NULL,
  asset text NOT NULL,
  UNIQUE (owner, name, asset)
);

CREATE TABLE journal_entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  flow_id uuid NOT NULL REFERENCES flows,
  cause text NOT NULL,
  purpose text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (flow_id, cause, purpose)
);

CREATE TABLE postings (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry_id bigint NOT NULL REFERENCES journal_entries,
  account_id bigint NOT NULL REFERENCES ledger_accounts,
  asset text NOT NULL,
  amount numeric(38, 0) NOT NULL
);
CREATE INDEX ON postings (entry_id);
CREATE INDEX ON postings (account_id);

CREATE TABLE balances (
  account_id bigint PRIMARY KEY REFERENCES ledger_accounts,
  posted numeric(38, 0) NOT NULL DEFAULT 0
);

CREATE TABLE balance_readings (
  account text NOT NULL,
  name text NOT NULL,
  amount numeric(38, 0) NOT NULL,
  read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (account, name)
);

CREATE TABLE notifications (
  id uuid PRIMARY KEY,
  flow_id uuid NOT NULL REFERENCES flows,
  type text NOT NULL,
  data jsonb NOT NULL,
  happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL DEFAULT 'due',
  delivered_at timestamptz,
  UNIQUE (flow_id, type)
);

CREATE TABLE notification_attempts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  notification_id uuid NOT NULL REFERENCES notifications,
  status integer NOT NULL,
  made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON notification_attempts (notification_id);
