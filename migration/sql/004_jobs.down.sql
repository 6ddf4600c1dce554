DROP TABLE jobs;
ALTER TABLE datasource_state DROP COLUMN log_level_until;
ALTER TABLE datasource_state DROP COLUMN log_level;
DROP INDEX dead_letters_by_age;
ALTER TABLE dead_letters DROP COLUMN edited_by;
ALTER TABLE dead_letters DROP COLUMN edited_at;
ALTER TABLE dead_letters DROP COLUMN attempts;
ALTER TABLE dead_letters DROP COLUMN scope;
