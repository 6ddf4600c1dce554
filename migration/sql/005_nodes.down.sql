DROP TABLE worker_slots;
DROP INDEX datasource_state_by_node;
ALTER TABLE datasource_state DROP COLUMN parallelism;
DROP TABLE nodes;
