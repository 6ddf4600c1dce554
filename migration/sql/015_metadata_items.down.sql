ALTER TABLE datasources DROP COLUMN template;
DROP TABLE metadata_item_versions;
DROP TABLE metadata_items;
