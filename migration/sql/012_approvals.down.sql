DROP TABLE approvals;
DROP TABLE approval_policies;
