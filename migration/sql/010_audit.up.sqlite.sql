-- What happened is not changed by anybody. REPLACE deletes without a trigger, so that an INSERT in a taken place is refused too.
CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries BEGIN
    SELECT RAISE(ABORT, 'audit_entries is append-only: UPDATE is refused');
END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries BEGIN
    SELECT RAISE(ABORT, 'audit_entries is append-only: DELETE is refused');
END;
CREATE TRIGGER audit_entries_no_replace BEFORE INSERT ON audit_entries
WHEN EXISTS (SELECT 1 FROM audit_entries WHERE org_id = NEW.org_id AND seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'audit_entries is append-only: REPLACE is refused');
END;
CREATE TRIGGER audit_checkpoints_no_update BEFORE UPDATE ON audit_checkpoints BEGIN
    SELECT RAISE(ABORT, 'audit_checkpoints is append-only: UPDATE is refused');
END;
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints BEGIN
    SELECT RAISE(ABORT, 'audit_checkpoints is append-only: DELETE is refused');
END;
CREATE TRIGGER audit_checkpoints_no_replace BEFORE INSERT ON audit_checkpoints
WHEN EXISTS (SELECT 1 FROM audit_checkpoints WHERE org_id = NEW.org_id AND seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'audit_checkpoints is append-only: REPLACE is refused');
END;
CREATE TRIGGER datasource_events_no_update BEFORE UPDATE ON datasource_events BEGIN
    SELECT RAISE(ABORT, 'datasource_events is append-only: UPDATE is refused');
END;
CREATE TRIGGER datasource_events_no_delete BEFORE DELETE ON datasource_events BEGIN
    SELECT RAISE(ABORT, 'datasource_events is append-only: DELETE is refused');
END;
CREATE TRIGGER datasource_events_no_replace BEFORE INSERT ON datasource_events
WHEN EXISTS (SELECT 1 FROM datasource_events WHERE org_id = NEW.org_id AND seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'datasource_events is append-only: REPLACE is refused');
END;
