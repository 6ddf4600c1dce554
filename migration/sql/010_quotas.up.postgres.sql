-- Every node holds all request rates in memory.
SELECT studio.protect('org_quotas', registry_may => 'SELECT');
