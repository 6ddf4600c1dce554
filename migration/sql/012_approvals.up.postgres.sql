SELECT studio.protect('approval_policies');
-- Every node looks for those that are over.
SELECT studio.protect('approvals', 'SELECT, INSERT, UPDATE', 'SELECT');
