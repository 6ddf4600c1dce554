SELECT studio.protect('access_grants', registry_may => 'SELECT');
