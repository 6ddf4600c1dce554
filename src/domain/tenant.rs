use std::sync::Arc;

/// The owner of a row: an organisation, and a project within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    pub org: Arc<str>,
    pub project: Arc<str>,
}

/// What a caller may see: one organisation, and in it all projects or some.
/// Every query takes one; there is no way to ask without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    org: Arc<str>,
    projects: Option<Arc<[String]>>,
}

impl Scope {
    pub fn org(org: impl Into<Arc<str>>) -> Self {
        Self { org: org.into(), projects: None }
    }

    pub fn projects(org: impl Into<Arc<str>>, projects: Vec<String>) -> Self {
        Self { org: org.into(), projects: Some(projects.into()) }
    }

    pub fn org_id(&self) -> &Arc<str> {
        &self.org
    }

    /// `None` means every project of the organisation.
    pub fn project_ids(&self) -> Option<&[String]> {
        self.projects.as_deref()
    }

    pub fn covers(&self, tenant: &Tenant) -> bool {
        self.org == tenant.org && self.covers_project(&tenant.project)
    }

    pub fn covers_project(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|list| list.iter().any(|p| p == project))
    }
}
