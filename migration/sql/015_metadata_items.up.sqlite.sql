-- What was saved once stays as it was.
CREATE TRIGGER metadata_item_versions_no_update BEFORE UPDATE ON metadata_item_versions BEGIN
    SELECT RAISE(ABORT, 'metadata_item_versions is append-only: UPDATE is refused');
END;
CREATE TRIGGER metadata_item_versions_no_delete BEFORE DELETE ON metadata_item_versions BEGIN
    SELECT RAISE(ABORT, 'metadata_item_versions is append-only: DELETE is refused');
END;
