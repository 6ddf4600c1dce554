-- What other programs may read: the views of the schema contract_v1, which keep their names, columns and meanings while
-- the tables behind them change. See docs/schema-authority.md.
--
-- Two more roles of the cluster that cannot log in. studio_contract owns the views and nothing else: the views read the
-- tables in its name, so that row-level security holds it to what whoever logged in may see. studio_reader is granted to
-- logins, and may use the views and nothing behind them.
DO $$
DECLARE
    needed text;
BEGIN
    FOREACH needed IN ARRAY ARRAY['studio_contract', 'studio_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = needed) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', needed);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL; -- another database of this cluster was faster
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'the role % is missing, and % may not create roles', needed, current_user
                        USING HINT = format('run as a superuser: CREATE ROLE %I NOLOGIN; GRANT studio_contract TO %I',
                            needed, current_user);
            END;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = needed AND (rolsuper OR rolbypassrls)) THEN
            RAISE EXCEPTION 'the role % may bypass row-level security', needed
                USING HINT = format('run as a superuser: ALTER ROLE %I NOSUPERUSER NOBYPASSRLS', needed);
        END IF;
    END LOOP;
    -- Who migrates hands the views over to it.
    BEGIN
        PERFORM set_config('role', 'studio_contract', true);
        PERFORM set_config('role', 'none', true);
    EXCEPTION WHEN insufficient_privilege THEN
        EXECUTE format('GRANT studio_contract TO %I', current_user);
    END;
END $$;

-- Which organisations a login sees. It is the login that counts, whatever role it takes: a reader cannot choose.
CREATE TABLE contract_readers (
    login text NOT NULL,
    org_id text NOT NULL,
    granted_at timestamptz NOT NULL,
    granted_by text NOT NULL,
    -- Another login that is made under the name of one that is gone is another.
    login_id oid NOT NULL,
    PRIMARY KEY (login, org_id)
);
CREATE FUNCTION studio.identify_reader() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.login_id := COALESCE((SELECT oid FROM pg_catalog.pg_roles WHERE rolname = NEW.login), 0);
    RETURN NEW;
END $$;
CREATE TRIGGER identify_reader BEFORE INSERT ON contract_readers FOR EACH ROW EXECUTE FUNCTION studio.identify_reader();
SELECT studio.protect('contract_readers', 'SELECT, INSERT, DELETE');
CREATE POLICY contract ON contract_readers FOR SELECT TO studio_contract USING (login_id = (SELECT u.oid FROM pg_catalog.pg_roles u WHERE u.rolname = SESSION_USER));
GRANT SELECT (login_id, org_id) ON contract_readers TO studio_contract;

-- Lets the views read these columns of a table of tenants; each migration that adds to the contract calls it.
CREATE FUNCTION studio.expose(target regclass, columns text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT SELECT (%s) ON %s TO studio_contract', columns, target);
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = target AND polname = 'contract') THEN
        EXECUTE format('CREATE POLICY contract ON %s FOR SELECT TO studio_contract USING (org_id = ANY (ARRAY(
            SELECT r.org_id FROM studio.contract_readers r WHERE r.login_id = (SELECT u.oid FROM pg_catalog.pg_roles u WHERE u.rolname = SESSION_USER))))', target);
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION studio.expose(regclass, text) FROM PUBLIC;

-- Hands new views over to their owner and their readers; called last by each migration that makes one.
CREATE FUNCTION studio.publish_contract() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    made regclass;
BEGIN
    GRANT CREATE ON SCHEMA contract_v1 TO studio_contract;
    FOR made IN SELECT oid FROM pg_class WHERE relnamespace = 'contract_v1'::regnamespace AND relkind = 'v'
        AND relowner <> 'studio_contract'::regrole LOOP
        EXECUTE format('GRANT SELECT ON %s TO studio_reader', made);
        EXECUTE format('ALTER VIEW %s OWNER TO studio_contract', made);
    END LOOP;
    REVOKE CREATE ON SCHEMA contract_v1 FROM studio_contract;
END $$;
REVOKE EXECUTE ON FUNCTION studio.publish_contract() FROM PUBLIC;

-- What the codes in the views mean; seed migrations fill it.
CREATE TABLE code_values (
    kind text NOT NULL,
    code text NOT NULL,
    meaning text NOT NULL,
    PRIMARY KEY (kind, code)
);
GRANT SELECT ON code_values TO studio_contract;

CREATE SCHEMA contract_v1;
COMMENT ON SCHEMA contract_v1 IS 'What other programs may read of Datasource Studio. Columns are added, never changed or removed; see docs/schema-authority.md.';
GRANT USAGE ON SCHEMA contract_v1 TO studio_reader, studio_contract;

SELECT studio.expose('datasources', 'id, org_id, project_id, name, connector_type, description, owner, team, category, tags, status,
    managed_by, current_version, latest_version, revision, created_at, created_by, updated_at, updated_by, archived_at,
    lifecycle, visibility, restricted, sla, records_per_second');
SELECT studio.expose('datasource_versions', 'id, org_id, project_id, datasource_id, version, state, checksum, comment, approval,
    approved_by, approved_at, created_at, created_by, published_at, published_by');
SELECT studio.expose('datasource_state', 'datasource_id, org_id, project_id, desired, observed, running_version, node, parallelism,
    last_heartbeat_at, last_record_at, error_code, error_message, restart_count, metrics, updated_at');
SELECT studio.expose('datasource_events', 'org_id, seq, project_id, datasource_id, version, event_type, actor, created_at');
SELECT studio.expose('dead_letters', 'org_id, project_id, datasource_id, error_code, created_at');
SELECT studio.expose('audit.audit_entries', 'org_id, project_id, action, outcome, created_at');

CREATE VIEW contract_v1.datasources WITH (security_barrier) AS
SELECT id,
    org_id,
    project_id,
    name,
    connector_type,
    description,
    status,
    managed_by,
    current_version,
    latest_version,
    revision,
    created_at,
    created_by,
    updated_at,
    updated_by,
    archived_at
FROM studio.datasources;
COMMENT ON VIEW contract_v1.datasources IS 'Every datasource, archived ones too.';
COMMENT ON COLUMN contract_v1.datasources.id IS 'Identifies the datasource for ever.';
COMMENT ON COLUMN contract_v1.datasources.org_id IS 'Its organisation.';
COMMENT ON COLUMN contract_v1.datasources.project_id IS 'Its project within the organisation.';
COMMENT ON COLUMN contract_v1.datasources.name IS 'Unique in its project while it is not archived.';
COMMENT ON COLUMN contract_v1.datasources.connector_type IS 'What it reads: webhook, http_poller, kafka and so on.';
COMMENT ON COLUMN contract_v1.datasources.description IS 'What people wrote about it; may be empty.';
COMMENT ON COLUMN contract_v1.datasources.status IS 'A code of the kind datasource_status.';
COMMENT ON COLUMN contract_v1.datasources.managed_by IS 'Who keeps it as it is: ui, api, or git:<source>.';
COMMENT ON COLUMN contract_v1.datasources.current_version IS 'The published version; null before the first publication.';
COMMENT ON COLUMN contract_v1.datasources.latest_version IS 'The newest version, published or not.';
COMMENT ON COLUMN contract_v1.datasources.revision IS 'Grows with every change of the datasource.';
COMMENT ON COLUMN contract_v1.datasources.created_at IS 'When it was created.';
COMMENT ON COLUMN contract_v1.datasources.created_by IS 'Who created it.';
COMMENT ON COLUMN contract_v1.datasources.updated_at IS 'When it was changed last.';
COMMENT ON COLUMN contract_v1.datasources.updated_by IS 'Who changed it last.';
COMMENT ON COLUMN contract_v1.datasources.archived_at IS 'When it was archived; null while it is not.';

-- What governance adds belongs here, at the end.
CREATE VIEW contract_v1.datasource_metadata WITH (security_barrier) AS
SELECT id AS datasource_id,
    org_id,
    project_id,
    owner,
    team,
    category,
    tags,
    lifecycle,
    visibility,
    restricted,
    sla,
    records_per_second,
    updated_at
FROM studio.datasources;
COMMENT ON VIEW contract_v1.datasource_metadata IS 'Who answers for a datasource, and how it is classified.';
COMMENT ON COLUMN contract_v1.datasource_metadata.datasource_id IS 'The datasource.';
COMMENT ON COLUMN contract_v1.datasource_metadata.org_id IS 'Its organisation.';
COMMENT ON COLUMN contract_v1.datasource_metadata.project_id IS 'Its project.';
COMMENT ON COLUMN contract_v1.datasource_metadata.owner IS 'The person or group that answers for it.';
COMMENT ON COLUMN contract_v1.datasource_metadata.team IS 'The team of the owner; null where none is named.';
COMMENT ON COLUMN contract_v1.datasource_metadata.category IS 'Its category; null where none is named.';
COMMENT ON COLUMN contract_v1.datasource_metadata.tags IS 'Its tags, a JSON array of texts.';
COMMENT ON COLUMN contract_v1.datasource_metadata.lifecycle IS 'A code of the kind lifecycle.';
COMMENT ON COLUMN contract_v1.datasource_metadata.visibility IS 'Whom the studio shows it to, a JSON object of communities and groups; a reader of the contract sees all.';
COMMENT ON COLUMN contract_v1.datasource_metadata.restricted IS 'Whether it is shown to some only.';
COMMENT ON COLUMN contract_v1.datasource_metadata.sla IS 'The service level, a JSON object; null where none is agreed.';
COMMENT ON COLUMN contract_v1.datasource_metadata.records_per_second IS 'A custom limit of its rate; null where there is none.';
COMMENT ON COLUMN contract_v1.datasource_metadata.updated_at IS 'When the datasource was changed last.';

CREATE VIEW contract_v1.datasource_versions WITH (security_barrier) AS
SELECT id,
    org_id,
    project_id,
    datasource_id,
    version,
    state,
    checksum,
    comment,
    approval,
    approved_by,
    approved_at,
    created_at,
    created_by,
    published_at,
    published_by
FROM studio.datasource_versions;
COMMENT ON VIEW contract_v1.datasource_versions IS 'Every version of every datasource, without its configuration.';
COMMENT ON COLUMN contract_v1.datasource_versions.id IS 'Identifies the version.';
COMMENT ON COLUMN contract_v1.datasource_versions.org_id IS 'Its organisation.';
COMMENT ON COLUMN contract_v1.datasource_versions.project_id IS 'Its project.';
COMMENT ON COLUMN contract_v1.datasource_versions.datasource_id IS 'The datasource that it is a version of.';
COMMENT ON COLUMN contract_v1.datasource_versions.version IS 'Counts from 1 within the datasource.';
COMMENT ON COLUMN contract_v1.datasource_versions.state IS 'A code of the kind version_state.';
COMMENT ON COLUMN contract_v1.datasource_versions.checksum IS 'SHA-256 of the configuration as canonical JSON, in hexadecimal digits.';
COMMENT ON COLUMN contract_v1.datasource_versions.comment IS 'Why it was made; null where nobody said.';
COMMENT ON COLUMN contract_v1.datasource_versions.approval IS 'A code of the kind approval_state.';
COMMENT ON COLUMN contract_v1.datasource_versions.approved_by IS 'Who approved it; null where nobody did.';
COMMENT ON COLUMN contract_v1.datasource_versions.approved_at IS 'When it was approved.';
COMMENT ON COLUMN contract_v1.datasource_versions.created_at IS 'When it was made.';
COMMENT ON COLUMN contract_v1.datasource_versions.created_by IS 'Who made it.';
COMMENT ON COLUMN contract_v1.datasource_versions.published_at IS 'When it was published last; null if it never was.';
COMMENT ON COLUMN contract_v1.datasource_versions.published_by IS 'Who published it last.';

CREATE VIEW contract_v1.datasource_state WITH (security_barrier) AS
SELECT datasource_id,
    org_id,
    project_id,
    desired,
    observed AS status,
    running_version,
    node,
    parallelism,
    last_heartbeat_at,
    last_record_at,
    error_code,
    error_message,
    restart_count,
    CAST(metrics ->> 'delivered' AS bigint) AS delivered,
    CAST(metrics ->> 'failed' AS bigint) AS failed,
    CAST(metrics ->> 'skipped' AS bigint) AS skipped,
    updated_at
FROM studio.datasource_state;
COMMENT ON VIEW contract_v1.datasource_state IS 'What is wanted of the workers of a datasource, and what was last seen of them.';
COMMENT ON COLUMN contract_v1.datasource_state.datasource_id IS 'The datasource.';
COMMENT ON COLUMN contract_v1.datasource_state.org_id IS 'Its organisation.';
COMMENT ON COLUMN contract_v1.datasource_state.project_id IS 'Its project.';
COMMENT ON COLUMN contract_v1.datasource_state.desired IS 'A code of the kind desired_state.';
COMMENT ON COLUMN contract_v1.datasource_state.status IS 'A code of the kind worker_status.';
COMMENT ON COLUMN contract_v1.datasource_state.running_version IS 'The version that runs; null while none does.';
COMMENT ON COLUMN contract_v1.datasource_state.node IS 'The node that runs it; null while none does.';
COMMENT ON COLUMN contract_v1.datasource_state.parallelism IS 'How many workers are to run at once.';
COMMENT ON COLUMN contract_v1.datasource_state.last_heartbeat_at IS 'When the worker was heard of last.';
COMMENT ON COLUMN contract_v1.datasource_state.last_record_at IS 'When a record was delivered last.';
COMMENT ON COLUMN contract_v1.datasource_state.error_code IS 'Why it does not run as wanted; null while it does.';
COMMENT ON COLUMN contract_v1.datasource_state.error_message IS 'The same for people.';
COMMENT ON COLUMN contract_v1.datasource_state.restart_count IS 'Restarts after an error since it ran well.';
COMMENT ON COLUMN contract_v1.datasource_state.delivered IS 'Records that the sink acknowledged.';
COMMENT ON COLUMN contract_v1.datasource_state.failed IS 'Records that could not be mapped or delivered.';
COMMENT ON COLUMN contract_v1.datasource_state.skipped IS 'Records that were passed over.';
COMMENT ON COLUMN contract_v1.datasource_state.updated_at IS 'When any of this changed last.';

CREATE VIEW contract_v1.datasource_events WITH (security_barrier) AS
SELECT org_id,
    seq,
    project_id,
    datasource_id,
    version,
    event_type,
    actor,
    created_at
FROM studio.datasource_events;
COMMENT ON VIEW contract_v1.datasource_events IS 'The timeline of every datasource, without what an event carries.';
COMMENT ON COLUMN contract_v1.datasource_events.org_id IS 'The organisation.';
COMMENT ON COLUMN contract_v1.datasource_events.seq IS 'Grows by one with every event of the organisation, in the order of their commits: a cursor to read on from.';
COMMENT ON COLUMN contract_v1.datasource_events.project_id IS 'The project.';
COMMENT ON COLUMN contract_v1.datasource_events.datasource_id IS 'The datasource.';
COMMENT ON COLUMN contract_v1.datasource_events.version IS 'The version that it was about; null where it was about none.';
COMMENT ON COLUMN contract_v1.datasource_events.event_type IS 'A code of the kind event_type.';
COMMENT ON COLUMN contract_v1.datasource_events.actor IS 'Who did it.';
COMMENT ON COLUMN contract_v1.datasource_events.created_at IS 'When it happened.';

-- What waits in the dead-letter store, and nothing of what it holds.
CREATE VIEW contract_v1.dead_letter_counts WITH (security_barrier) AS
SELECT org_id,
    project_id,
    datasource_id,
    error_code,
    count(*) AS letters,
    min(created_at) AS oldest_at,
    max(created_at) AS newest_at
FROM studio.dead_letters
GROUP BY org_id, project_id, datasource_id, error_code;
COMMENT ON VIEW contract_v1.dead_letter_counts IS 'How many dead letters wait, by datasource and error.';
COMMENT ON COLUMN contract_v1.dead_letter_counts.org_id IS 'The organisation.';
COMMENT ON COLUMN contract_v1.dead_letter_counts.project_id IS 'The project.';
COMMENT ON COLUMN contract_v1.dead_letter_counts.datasource_id IS 'The datasource.';
COMMENT ON COLUMN contract_v1.dead_letter_counts.error_code IS 'Why they were set aside.';
COMMENT ON COLUMN contract_v1.dead_letter_counts.letters IS 'How many wait.';
COMMENT ON COLUMN contract_v1.dead_letter_counts.oldest_at IS 'When the oldest of them came.';
COMMENT ON COLUMN contract_v1.dead_letter_counts.newest_at IS 'When the newest of them came.';

CREATE VIEW contract_v1.audit_summary WITH (security_barrier) AS
SELECT org_id,
    project_id,
    CAST(created_at AT TIME ZONE 'UTC' AS date) AS day,
    action,
    outcome,
    count(*) AS entries
FROM audit.audit_entries
GROUP BY org_id, project_id, CAST(created_at AT TIME ZONE 'UTC' AS date), action, outcome;
COMMENT ON VIEW contract_v1.audit_summary IS 'How much of what was done on which day; a change of several fields is several entries.';
COMMENT ON COLUMN contract_v1.audit_summary.org_id IS 'The organisation.';
COMMENT ON COLUMN contract_v1.audit_summary.project_id IS 'The project; empty for what concerns the whole organisation.';
COMMENT ON COLUMN contract_v1.audit_summary.day IS 'The day in UTC.';
COMMENT ON COLUMN contract_v1.audit_summary.action IS 'What was done, or attempted.';
COMMENT ON COLUMN contract_v1.audit_summary.outcome IS 'A code of the kind audit_outcome.';
COMMENT ON COLUMN contract_v1.audit_summary.entries IS 'How many entries of the audit log say so.';

CREATE VIEW contract_v1.code_values WITH (security_barrier) AS
SELECT kind,
    code,
    meaning
FROM studio.code_values;
COMMENT ON VIEW contract_v1.code_values IS 'What the codes in the other views mean. New codes may come; a reader must bear one that it does not know.';
COMMENT ON COLUMN contract_v1.code_values.kind IS 'Which set of codes.';
COMMENT ON COLUMN contract_v1.code_values.code IS 'The code, as the other views have it.';
COMMENT ON COLUMN contract_v1.code_values.meaning IS 'What it means.';

SELECT studio.publish_contract();
