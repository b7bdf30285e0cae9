-- Time as SQL reads it. Only a member of the role rampkeeper_test may move it, for one transaction.
-- Declared stable so that an index on a time can serve a comparison with it.
CREATE FUNCTION rk_now() RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
  moved text := current_setting('rampkeeper.now', true);
BEGIN
  IF moved IS NULL OR moved = '' THEN
    RETURN clock_timestamp();
  END IF;
  IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'rampkeeper_test' AND pg_has_role(session_user, r.oid, 'member')) THEN
    RETURN moved::timestamptz;
  END IF;
  RETURN clock_timestamp();
END $$;

CREATE FUNCTION rk_refuse_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: nothing in it is changed or deleted', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation', HINT = 'Write a new row: a reversal, a new transition, a new audit line.';
END $$;

-- Who the money is for ---------------------------------------------------------------------------

CREATE TABLE customers (
  id text PRIMARY KEY CHECK (id <> ''),
  level integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT rk_now()
);

CREATE TABLE customer_links (
  provider text NOT NULL,
  kind text NOT NULL,
  external_id text NOT NULL,
  customer_id text NOT NULL REFERENCES customers,
  attributes jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT rk_now(),
  PRIMARY KEY (provider, kind, external_id)
);
CREATE INDEX ix_customer_links_customer ON customer_links (customer_id, provider, kind);

-- Who is at work ---------------------------------------------------------------------------------

CREATE TABLE worker_sessions (
  id uuid PRIMARY KEY,
  host text NOT NULL,
  pid integer NOT NULL,
  beat bigint NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL DEFAULT rk_now(),
  ended_at timestamptz,
  dead_at timestamptz
);
CREATE INDEX ix_worker_sessions_live ON worker_sessions (started_at) WHERE ended_at IS NULL AND dead_at IS NULL;

-- One movement of money --------------------------------------------------------------------------

CREATE TABLE flows (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  state text NOT NULL,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'resting', 'closed')),
  provider text,                                  -- whom the step of this state speaks to
  customer_id text REFERENCES customers,
  asset text,
  amount numeric(38, 0),
  asset_out text,
  amount_out numeric(38, 0),
  data jsonb NOT NULL DEFAULT '{}',
  hints jsonb NOT NULL DEFAULT '{}',              -- what events said: status -> when; never evidence
  created_at timestamptz NOT NULL DEFAULT rk_now(),
  moved_at timestamptz NOT NULL DEFAULT rk_now(),
  closed_at timestamptz,
  watch_until timestamptz,
  due_at timestamptz,
  announced_at timestamptz,
  wakes bigint NOT NULL DEFAULT 0,
  fence bigint NOT NULL DEFAULT 0,
  attempt_id uuid,
  session_id uuid,
  claimed_at timestamptz,
  claim_until timestamptz,
  snoozed_attempt_id uuid,
  visit integer NOT NULL DEFAULT 1,
  tries integer NOT NULL DEFAULT 0,
  snoozes integer NOT NULL DEFAULT 0,
  look_first boolean NOT NULL DEFAULT false,
  parked_at timestamptz,
  parked_reason text,
  snooze_reason text,
  CHECK ((attempt_id IS NULL) = (session_id IS NULL)),
  CHECK (status = 'open' OR closed_at IS NOT NULL),
  CHECK (status <> 'closed' OR due_at IS NULL),
  -- an open flow always has a due time, a claim, or a parking that says why not
  CHECK (status <> 'open' OR due_at IS NOT NULL OR attempt_id IS NOT NULL OR parked_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX ix_flows_due ON flows (due_at) WHERE due_at IS NOT NULL AND attempt_id IS NULL;
CREATE INDEX ix_flows_claimed ON flows (session_id) WHERE attempt_id IS NOT NULL;
CREATE INDEX ix_flows_open_moved_at ON flows (moved_at) WHERE status = 'open';
CREATE INDEX ix_flows_parked ON flows (parked_at) WHERE parked_at IS NOT NULL;
CREATE INDEX ix_flows_created_at ON flows (created_at, id);
CREATE INDEX ix_flows_customer ON flows (customer_id, created_at);
CREATE INDEX ix_flows_unowned ON flows ((data ->> 'virtual_account')) WHERE customer_id IS NULL;

CREATE TABLE attempts (
  id uuid PRIMARY KEY,
  flow_id uuid NOT NULL REFERENCES flows,
  step text NOT NULL,
  visit integer NOT NULL,
  number integer NOT NULL,
  claims integer NOT NULL DEFAULT 1,
  fence bigint NOT NULL,
  session_id uuid NOT NULL,
  started_at timestamptz NOT NULL DEFAULT rk_now(),
  finished_at timestamptz,
  outcome text,
  error text,
  message text,
  provider text,
  request_id text,
  late jsonb
) WITH (fillfactor = 80);
CREATE INDEX ix_attempts_flow ON attempts (flow_id, started_at);
CREATE INDEX ix_attempts_finished_at ON attempts (finished_at) WHERE provider IS NOT NULL;

CREATE TABLE transitions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  flow_id uuid NOT NULL REFERENCES flows,
  from_state text,
  to_state text NOT NULL,
  reason text,
  attempt_id uuid,
  effective_at timestamptz,
  recorded_at timestamptz NOT NULL DEFAULT rk_now()
);
CREATE INDEX ix_transitions_flow ON transitions (flow_id, id);
CREATE TRIGGER transitions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transitions
  FOR EACH STATEMENT EXECUTE FUNCTION rk_refuse_edit();

CREATE TABLE flow_references (
  provider text NOT NULL,
  kind text NOT NULL,
  external_id text NOT NULL,
  flow_id uuid NOT NULL REFERENCES flows,
  number bigint GENERATED ALWAYS AS IDENTITY,     -- says which came later; a clock may have stepped back
  created_at timestamptz NOT NULL DEFAULT rk_now(),
  PRIMARY KEY (provider, kind, external_id)
);
CREATE INDEX ix_flow_references_flow ON flow_references (flow_id);

CREATE TABLE intentions (
  key uuid PRIMARY KEY,
  flow_id uuid NOT NULL REFERENCES flows,
  step text NOT NULL,
  call text NOT NULL,
  visit integer NOT NULL,
  generation integer NOT NULL,
  provider text NOT NULL,
  request text NOT NULL,
  born_at timestamptz NOT NULL DEFAULT rk_now(),
  sends integer NOT NULL DEFAULT 0,
  sent_at timestamptz,
  settle_from timestamptz,                        -- no call under this key can still be on its way after this
  outcome text NOT NULL DEFAULT 'sent' CHECK (outcome IN ('unsent', 'sent', 'done', 'refused', 'unknown', 'answered_5xx')),
  look_ups integer NOT NULL DEFAULT 0,            -- complete look-ups after settle_from that found nothing
  looked_at timestamptz,
  external_id text,
  UNIQUE (flow_id, step, call, visit, generation)
);

-- One door in ------------------------------------------------------------------------------------

CREATE TABLE inbox_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider text NOT NULL,
  event_id text NOT NULL,
  route text NOT NULL,
  type text,
  source text NOT NULL CHECK (source IN ('webhook', 'poll', 'stream', 'replay')),
  body bytea,                                     -- raw bytes, sealed when a key is configured; cleared by retention
  body_key text,                                  -- the id of the key that sealed it; null: not sealed
  body_digest bytea NOT NULL,
  headers jsonb NOT NULL DEFAULT '{}',
  matched_key text,
  received_at timestamptz NOT NULL DEFAULT rk_now(),
  state text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'handled', 'ignored', 'deferred', 'dead')),
  due_at timestamptz DEFAULT rk_now(),
  announced_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  duplicates integer NOT NULL DEFAULT 0,
  reason text,
  last_error text,
  flow_id uuid REFERENCES flows,
  waits_for text,                                 -- deferred: the "provider/kind/id" whose reference is awaited
  handled_at timestamptz,
  UNIQUE (provider, event_id),
  CHECK ((state IN ('received', 'deferred')) = (due_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX ix_inbox_events_due ON inbox_events (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_inbox_events_waits_for ON inbox_events (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX ix_inbox_events_flow ON inbox_events (flow_id) WHERE flow_id IS NOT NULL;
CREATE INDEX ix_inbox_events_bodies ON inbox_events (handled_at) WHERE body IS NOT NULL AND handled_at IS NOT NULL;
CREATE INDEX ix_inbox_events_received_at ON inbox_events (received_at, id);
CREATE INDEX ix_inbox_events_digest ON inbox_events (provider, body_digest, received_at);

-- The ledger -------------------------------------------------------------------------------------

CREATE TABLE assets (
  code text PRIMARY KEY,
  scale integer NOT NULL CHECK (scale BETWEEN 0 AND 18)
);
INSERT INTO assets VALUES ('USD', 2), ('USDC', 6), ('USDT', 6), ('USD_6', 6);

CREATE TABLE ledger_accounts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text NOT NULL,                            -- 'house', or 'customer:<id>'
  name text NOT NULL,                             -- such as 'due:clearing', 'deposit', 'brokerage'
  kind text NOT NULL CHECK (kind IN ('asset', 'liability', 'income', 'expense', 'equity')),
  asset text NOT NULL REFERENCES assets,
  customer_id text REFERENCES customers,
  UNIQUE (owner, name, asset)
);
CREATE INDEX ix_ledger_accounts_customer ON ledger_accounts (customer_id) WHERE customer_id IS NOT NULL;

CREATE TABLE journal_entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  flow_id uuid REFERENCES flows,
  cause text NOT NULL,                            -- the provider's fact or our intention that made it
  purpose text NOT NULL,
  reverses_id bigint REFERENCES journal_entries,
  effective_at timestamptz,
  recorded_at timestamptz NOT NULL DEFAULT rk_now(),
  made_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
-- A repeat cannot post twice; entries outside any flow are unique by their cause too.
CREATE UNIQUE INDEX uq_journal_entries_cause ON journal_entries (flow_id, cause, purpose) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX uq_journal_entries_reverses ON journal_entries (reverses_id) WHERE reverses_id IS NOT NULL;
CREATE INDEX ix_journal_entries_recorded_at ON journal_entries (recorded_at, id);

CREATE TABLE postings (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry_id bigint NOT NULL REFERENCES journal_entries,
  account_id bigint NOT NULL REFERENCES ledger_accounts,
  layer text NOT NULL DEFAULT 'posted' CHECK (layer IN ('posted', 'pending')),
  asset text NOT NULL REFERENCES assets,
  amount numeric(38, 0) NOT NULL CHECK (amount <> 0)  -- debit positive, credit negative
);
CREATE INDEX ix_postings_entry ON postings (entry_id);
-- House accounts keep no running balance: they are summed by this index when asked.
CREATE INDEX ix_postings_account ON postings (account_id, layer) INCLUDE (amount);

CREATE FUNCTION rk_check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  bad record;
BEGIN
  SELECT p.entry_id INTO bad FROM added p JOIN journal_entries e ON e.id = p.entry_id
   WHERE e.made_by <> pg_current_xact_id() LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'entry % is closed: postings are added only in the transaction that made it', bad.entry_id
      USING ERRCODE = 'restrict_violation', HINT = 'Make a new entry.';
  END IF;
  SELECT p.entry_id INTO bad FROM added p JOIN ledger_accounts a ON a.id = p.account_id
   WHERE a.asset <> p.asset LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'entry % posts another asset than its account holds', bad.entry_id USING ERRCODE = 'check_violation';
  END IF;
  SELECT p.entry_id, p.asset, p.layer, sum(p.amount) AS off INTO bad FROM added p
   GROUP BY p.entry_id, p.asset, p.layer HAVING sum(p.amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'entry % does not balance: % is off by %', bad.entry_id, bad.asset, bad.off
      USING ERRCODE = 'check_violation', HINT = 'Debits and credits of an entry sum to zero for each asset.';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER postings_balance AFTER INSERT ON postings REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION rk_check_postings();
CREATE TRIGGER postings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON postings
  FOR EACH STATEMENT EXECUTE FUNCTION rk_refuse_edit();
CREATE TRIGGER journal_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entries
  FOR EACH STATEMENT EXECUTE FUNCTION rk_refuse_edit();

CREATE TABLE balances (
  account_id bigint PRIMARY KEY REFERENCES ledger_accounts,
  posted numeric(38, 0) NOT NULL DEFAULT 0,       -- in the customer's favour positive
  pending numeric(38, 0) NOT NULL DEFAULT 0,      -- held back by open holds, never negative
  available numeric(38, 0) GENERATED ALWAYS AS (posted - pending) STORED,
  may_go_below_zero boolean NOT NULL DEFAULT false,
  CHECK (may_go_below_zero OR posted - pending >= 0)
) WITH (fillfactor = 80);

-- What people must see ---------------------------------------------------------------------------

CREATE TABLE dead_letters (
  id uuid PRIMARY KEY,
  flow_id uuid REFERENCES flows,
  event_id bigint REFERENCES inbox_events,
  kind text NOT NULL,
  step text NOT NULL,
  customer_id text,
  attempt_id uuid,
  error text NOT NULL,
  message text NOT NULL,
  traceback text,
  provider text,
  request_id text,
  blame text NOT NULL CHECK (blame IN ('us', 'provider', 'customer')),
  fingerprint text NOT NULL,
  attempts integer NOT NULL,
  amount numeric(38, 0),
  asset text,
  opened_at timestamptz NOT NULL DEFAULT rk_now(),
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'replaying', 'resolved', 'abandoned')),
  resolved_by text,
  resolved_at timestamptz,
  resolution text,
  CHECK ((flow_id IS NULL) <> (event_id IS NULL))
);
-- One open letter for each stuck thing, so that two replays of it cannot both start.
CREATE UNIQUE INDEX uq_dead_letters_flow ON dead_letters (flow_id) WHERE status IN ('open', 'replaying') AND flow_id IS NOT NULL;
CREATE UNIQUE INDEX uq_dead_letters_event ON dead_letters (event_id) WHERE status IN ('open', 'replaying') AND event_id IS NOT NULL;
CREATE INDEX ix_dead_letters_opened_at ON dead_letters (opened_at, id);
CREATE INDEX ix_dead_letters_fingerprint ON dead_letters (fingerprint, status);

CREATE TABLE reconciliation_runs (
  id uuid PRIMARY KEY,
  provider text NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  started_at timestamptz NOT NULL DEFAULT rk_now(),
  finished_at timestamptz,
  status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'finished', 'failed')),
  counts jsonb NOT NULL DEFAULT '{}',
  error text,
  asked_by text
);
CREATE INDEX ix_reconciliation_runs_started_at ON reconciliation_runs (started_at, id);

CREATE TABLE breaks (
  id uuid PRIMARY KEY,
  provider text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
  found_by text NOT NULL,                         -- 'comparison', 'step', 'ingest', 'invariant', 'sweep'
  flow_id uuid REFERENCES flows,
  event_id bigint REFERENCES inbox_events,
  ours text,
  theirs text,
  amount_at_risk numeric(38, 0),
  asset text,
  opened_at timestamptz NOT NULL DEFAULT rk_now(),
  seen_at timestamptz NOT NULL DEFAULT rk_now(),
  closed_at timestamptz,
  suggested_action text,
  owner text,
  UNIQUE (provider, type, subject)
);
CREATE INDEX ix_breaks_open ON breaks (opened_at, id) WHERE status = 'open';
CREATE INDEX ix_breaks_flow ON breaks (flow_id) WHERE flow_id IS NOT NULL;

CREATE TABLE break_history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  break_id uuid NOT NULL REFERENCES breaks,
  at timestamptz NOT NULL DEFAULT rk_now(),
  what text NOT NULL,
  by_whom text,
  note text
);
CREATE INDEX ix_break_history_break ON break_history (break_id, id);

CREATE TABLE notifications (
  id uuid PRIMARY KEY,
  flow_id uuid REFERENCES flows,
  type text NOT NULL,
  cause text NOT NULL,                            -- unique with flow, type and channel: told once
  channel text NOT NULL CHECK (channel IN ('webhook', 'apprise')),
  data jsonb NOT NULL,
  happened_at timestamptz NOT NULL DEFAULT rk_now(),
  state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'exhausted', 'held')),
  due_at timestamptz DEFAULT rk_now(),
  announced_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  session_id uuid,
  claim_until timestamptz,
  fence bigint NOT NULL DEFAULT 0,
  last_status integer,
  last_error text,
  delivered_at timestamptz,
  CHECK ((state = 'due') = (due_at IS NOT NULL))
);
CREATE UNIQUE INDEX uq_notifications_cause ON notifications (flow_id, type, cause, channel) NULLS NOT DISTINCT;
CREATE INDEX ix_notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_notifications_happened_at ON notifications (happened_at, id);
CREATE INDEX ix_notifications_undelivered ON notifications (channel, state, happened_at) WHERE state IN ('held', 'exhausted');

CREATE TABLE notification_attempts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  notification_id uuid NOT NULL REFERENCES notifications,
  at timestamptz NOT NULL DEFAULT rk_now(),
  status integer,
  error text,
  took_ms integer NOT NULL,
  answer text
);
CREATE INDEX ix_notification_attempts_notification ON notification_attempts (notification_id, id);

-- What `ops.alerts` sees wrong right now: told once it has lasted, forgotten when it has been gone for a while.
CREATE TABLE alerts_firing (
  name text NOT NULL,
  subject text NOT NULL DEFAULT '',
  since timestamptz NOT NULL DEFAULT rk_now(),
  seen_at timestamptz NOT NULL DEFAULT rk_now(),
  told_at timestamptz,
  PRIMARY KEY (name, subject)
);

-- The clock --------------------------------------------------------------------------------------

CREATE TABLE clock_leases (
  name text PRIMARY KEY,
  holder uuid NOT NULL,
  term bigint NOT NULL,
  renewed_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);

-- The timetable as the leader declares it, so that anyone can tell a silent job from a slow one.
CREATE TABLE clock_jobs (
  job text PRIMARY KEY,
  every interval NOT NULL CHECK (every > interval '0'),
  term bigint NOT NULL,
  declared_at timestamptz NOT NULL DEFAULT rk_now()
);

CREATE TABLE ticks (
  job text NOT NULL,
  slot timestamptz NOT NULL,
  term bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT rk_now(),
  due_at timestamptz DEFAULT rk_now(),
  announced_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  session_id uuid,
  claim_until timestamptz,
  fence bigint NOT NULL DEFAULT 0,
  finished_at timestamptz,
  outcome text,
  detail text,
  PRIMARY KEY (job, slot),
  CHECK ((due_at IS NULL) = (finished_at IS NOT NULL))
);
CREATE INDEX ix_ticks_due ON ticks (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE poll_marks (
  provider text NOT NULL,
  poll text NOT NULL,
  subject text NOT NULL DEFAULT '',
  high_water_mark timestamptz,
  walk_since timestamptz,                         -- a walk under way: its window's start
  walk_started_at timestamptz,
  walk_cursor text,                               -- and its place
  finished_at timestamptz,
  findings bigint NOT NULL DEFAULT 0,
  last_error text,
  PRIMARY KEY (provider, poll, subject)
);

CREATE TABLE polled_objects (
  provider text NOT NULL,
  kind text NOT NULL,
  external_id text NOT NULL,
  digest bytea NOT NULL,
  version integer NOT NULL DEFAULT 1,
  poll text NOT NULL,                             -- the listing that showed it last
  subject text NOT NULL DEFAULT '',
  changed_at timestamptz NOT NULL,                -- the provider's time, by which the listing's window takes it in
  seen_at timestamptz NOT NULL DEFAULT rk_now(),
  PRIMARY KEY (provider, kind, external_id)
) WITH (fillfactor = 80);
-- What a walk of a window should show again; when it does not, the listing was cut short.
CREATE INDEX ix_polled_objects_window ON polled_objects (provider, poll, subject, changed_at);

CREATE TABLE looks (
  provider text NOT NULL,
  poll text NOT NULL,
  subject text NOT NULL,
  due_at timestamptz NOT NULL DEFAULT rk_now(),
  announced_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  asks bigint NOT NULL DEFAULT 1,                 -- raised by each asking, so that one during the look is not lost
  fence bigint NOT NULL DEFAULT 0,
  claim_until timestamptz,
  PRIMARY KEY (provider, poll, subject)
);
CREATE INDEX ix_looks_due ON looks (due_at);

CREATE TABLE stream_cursors (
  provider text NOT NULL,
  stream text NOT NULL,
  cursor_at timestamptz NOT NULL,
  last_event_id text,
  term bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT rk_now(),
  PRIMARY KEY (provider, stream)
);

-- The providers, as we see them --------------------------------------------------------------------

CREATE TABLE provider_gates (
  provider text PRIMARY KEY,
  paused boolean NOT NULL DEFAULT false,
  paused_reason text,
  paused_by text,
  breaker text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'probing')),
  failures integer NOT NULL DEFAULT 0,
  open_until timestamptz,
  held_until timestamptz,                         -- the provider's own word in a 429, for the whole fleet
  changed_at timestamptz NOT NULL DEFAULT rk_now()
);

CREATE TABLE receiver_keys (
  provider text NOT NULL,
  fingerprint text NOT NULL,
  last_used_at timestamptz NOT NULL DEFAULT rk_now(),
  PRIMARY KEY (provider, fingerprint)
);

CREATE TABLE balance_readings (
  provider text NOT NULL,
  account text NOT NULL,
  name text NOT NULL,                             -- such as 'buying_power', 'cash'
  asset text NOT NULL,
  amount numeric(38, 0) NOT NULL,
  customer_id text REFERENCES customers,
  read_at timestamptz NOT NULL DEFAULT rk_now(),
  PRIMARY KEY (provider, account, name, asset)
);
CREATE INDEX ix_balance_readings_customer ON balance_readings (customer_id) WHERE customer_id IS NOT NULL;

-- What was done by whom ----------------------------------------------------------------------------

CREATE TABLE audit_head (
  the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
  last_id bigint NOT NULL DEFAULT 0,
  last_hash bytea NOT NULL DEFAULT '\x00'
);
INSERT INTO audit_head DEFAULT VALUES;

CREATE TABLE audit_log (
  id bigint PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,                            -- as said on the command line, never believed
  action text NOT NULL,
  subject text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}',
  previous bytea NOT NULL,
  hash bytea NOT NULL
);
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION rk_refuse_edit();

-- The audit trail of deposits: one row a deposit. Its history is `transitions`.
CREATE VIEW deposits AS
SELECT f.id AS flow_id, f.customer_id, f.state AS status, f.parked_reason,
       f.data ->> 'chain' AS chain, f.data ->> 'rail' AS rail, f.data ->> 'virtual_account' AS virtual_account,
       f.asset, f.amount, f.asset_out, f.amount_out,
       (SELECT r.external_id FROM flow_references r
         WHERE r.flow_id = f.id AND r.provider = 'due' AND r.kind = 'transfer' ORDER BY r.number LIMIT 1) AS off_ramp_tx_id,
       (SELECT min(coalesce(t.effective_at, t.recorded_at)) FROM transitions t
         WHERE t.flow_id = f.id AND t.to_state = 'off_ramp_initiated') AS off_ramp_initiated_at,
       (SELECT min(coalesce(t.effective_at, t.recorded_at)) FROM transitions t
         WHERE t.flow_id = f.id AND t.to_state = 'off_ramp_completed') AS off_ramp_completed_at,
       (SELECT r.external_id FROM flow_references r
         WHERE r.flow_id = f.id AND r.provider = 'alpaca' AND r.kind = 'journal'
         ORDER BY r.number DESC LIMIT 1) AS alpaca_funding_tx_id,
       (SELECT max(coalesce(t.effective_at, t.recorded_at)) FROM transitions t
         WHERE t.flow_id = f.id AND t.to_state = 'broker_funded') AS broker_funded_at,
       f.created_at, f.moved_at, f.closed_at
  FROM flows f WHERE f.kind = 'due_deposit';
