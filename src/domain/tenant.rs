use std::sync::Arc;

use uuid::Uuid;

use super::{Datasource, Metadata};

/// The owner of a row: an organisation, and a project within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    pub org: Arc<str>,
    pub project: Arc<str>,
}

/// What a caller may reach: one organisation, and in it all projects or some, and single datasources.
/// Every query takes one; there is no way to ask without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    org: Arc<str>,
    projects: Option<Arc<[String]>>,
    datasources: Arc<[Uuid]>,
    viewer: Option<Arc<Viewer>>,
}

/// Who looks, as far as that decides on datasources that are not for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Viewer {
    /// Sees what it owns.
    pub subject: Arc<str>,
    pub communities: Arc<[String]>,
    pub groups: Arc<[String]>,
    /// The projects of which it is an admin.
    pub admin_of: Vec<String>,
    /// The datasources on which it is granted a role.
    pub let_in: Vec<Uuid>,
}

impl Viewer {
    /// Whether a datasource that is within reach is seen.
    pub fn sees(&self, row: &Datasource) -> bool {
        let Metadata { owner, visibility, .. } = &row.metadata;
        let any = |named: &[String], of: &[String]| named.iter().any(|name| of.contains(name));
        visibility.is_for_all()
            || **owner == *self.subject
            || any(&visibility.communities, &self.communities)
            || any(&visibility.groups, &self.groups)
            || self.admin_of.iter().any(|project| **project == *row.tenant.project)
            || self.let_in.contains(&row.id)
    }
}

impl Scope {
    pub fn org(org: impl Into<Arc<str>>) -> Self {
        Self { org: org.into(), projects: None, datasources: Arc::default(), viewer: None }
    }

    pub fn projects(org: impl Into<Arc<str>>, projects: Vec<String>) -> Self {
        Self { org: org.into(), projects: Some(projects.into()), datasources: Arc::default(), viewer: None }
    }

    /// All projects where `None` is given.
    pub fn limited(org: impl Into<Arc<str>>, projects: Option<Vec<String>>) -> Self {
        Self { org: org.into(), projects: projects.map(Into::into), datasources: Arc::default(), viewer: None }
    }

    /// The same, and these datasources, whatever project they are in.
    pub fn and_datasources(self, datasources: Vec<Uuid>) -> Self {
        Self { datasources: datasources.into(), ..self }
    }

    /// The same as far as `viewer` sees it; `None` is whoever sees all.
    #[must_use]
    pub fn seen_by(self, viewer: Option<Arc<Viewer>>) -> Self {
        Self { viewer, ..self }
    }

    /// Whom what is not for everybody is shown to; `None` is whoever sees all.
    pub fn viewer(&self) -> Option<&Arc<Viewer>> {
        self.viewer.as_ref()
    }

    pub fn org_id(&self) -> &Arc<str> {
        &self.org
    }

    /// `None` means every project of the organisation.
    pub fn project_ids(&self) -> Option<&[String]> {
        self.projects.as_deref()
    }

    /// Those that are reached besides the projects.
    pub fn datasource_ids(&self) -> &[Uuid] {
        &self.datasources
    }

    /// Whether a datasource, and what belongs to it, is within reach.
    pub fn reaches(&self, tenant: &Tenant, datasource: Uuid) -> bool {
        self.org == tenant.org && (self.covers_project(&tenant.project) || self.datasources.contains(&datasource))
    }

    pub fn covers(&self, tenant: &Tenant) -> bool {
        self.org == tenant.org && self.covers_project(&tenant.project)
    }

    /// Whether nothing of these projects is out of reach; `None` is all.
    pub fn covers_all(&self, projects: Option<&[String]>) -> bool {
        match projects {
            None => self.projects.is_none(),
            Some(list) => list.iter().all(|project| self.covers_project(project)),
        }
    }

    /// The part that is in these projects too.
    pub fn within(self, projects: Option<&[String]>) -> Self {
        let Some(list) = projects else { return self };
        let both = list.iter().filter(|project| self.covers_project(project)).cloned().collect();
        Self::projects(self.org, both)
    }

    pub fn covers_project(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|list| list.iter().any(|p| p == project))
    }
}
