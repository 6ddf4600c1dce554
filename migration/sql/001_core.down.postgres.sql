DROP FUNCTION studio.ensure_event_partitions(integer);
