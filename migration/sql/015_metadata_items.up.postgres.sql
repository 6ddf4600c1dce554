SELECT studio.protect('metadata_items', 'SELECT, INSERT, UPDATE');
-- What was saved once stays as it was.
SELECT studio.protect('metadata_item_versions', 'SELECT, INSERT');
