SELECT studio.protect('org_quotas');
