-- Templates and saved views. A name is taken once while it is active; what was deleted stays for its history.
CREATE TABLE metadata_items (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    item_type text NOT NULL,
    name text NOT NULL,
    -- Canonical JSON as text: the checksum covers every byte.
    data text NOT NULL,
    checksum text NOT NULL,
    -- The number of the newest row of metadata_item_versions.
    version integer NOT NULL,
    revision bigint NOT NULL,
    visibility text NOT NULL,
    source text NOT NULL,
    active boolean NOT NULL,
    owner text NOT NULL,
    tags {json} NOT NULL,
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    updated_at {ts} NOT NULL,
    updated_by text NOT NULL
);
CREATE UNIQUE INDEX metadata_items_name ON metadata_items (org_id, item_type, name) WHERE active;
CREATE INDEX metadata_items_history ON metadata_items (org_id, item_type, name, updated_at);

-- Every content that an item had.
CREATE TABLE metadata_item_versions (
    item_id {uuid} NOT NULL REFERENCES metadata_items (id),
    version integer NOT NULL,
    org_id text NOT NULL,
    data text NOT NULL,
    checksum text NOT NULL,
    source text NOT NULL,
    comment text,
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (item_id, version)
);

-- The templates that a datasource was created from, with their versions.
ALTER TABLE datasources ADD COLUMN template {json};
