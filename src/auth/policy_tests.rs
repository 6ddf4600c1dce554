//! What a scope reaches is what token and grants say, and never another organisation's.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{DatasourceStatus, ManagedBy, Metadata, PrincipalKind, Visibility, now};

const ORGS: [&str; 2] = ["acme", "globex"];
const PROJECTS: [&str; 3] = ["north", "south", "west"];

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::Viewer, Role::Operator, Role::Admin])
}

fn tenant() -> impl Strategy<Value = Tenant> {
    let (org, project) = (prop::sample::select(ORGS.to_vec()), prop::sample::select(PROJECTS.to_vec()));
    (org, project).prop_map(|(org, project)| Tenant { org: org.into(), project: project.into() })
}

fn id() -> impl Strategy<Value = Uuid> {
    (0_u128..6).prop_map(Uuid::from_u128)
}

fn grant() -> impl Strategy<Value = AccessGrant> {
    (tenant(), prop::option::of(id()), role()).prop_map(|(tenant, datasource_id, role)| AccessGrant {
        id: Uuid::nil(),
        principal_kind: PrincipalKind::User,
        principal: "ada".into(),
        tenant,
        datasource_id,
        role,
        created_at: now(),
        created_by: "admin".into(),
    })
}

fn actor() -> impl Strategy<Value = Actor> {
    let projects = prop::option::of(prop::sample::subsequence(PROJECTS.to_vec(), 0..=3));
    (prop::sample::select(ORGS.to_vec()), projects, role(), prop::collection::vec(grant(), 0..6)).prop_map(
        |(org, projects, role, grants)| {
            let projects = projects.map(|list| list.into_iter().map(str::to_owned).collect());
            let scope = Scope::limited(org, projects);
            Actor { role, scope, grants: grants.into(), ..Actor::system("test", org) }
        },
    )
}

/// The rule in plain words: the highest of what the token gives in its scope, and of the grants on the row.
fn role_on(actor: &Actor, tenant: &Tenant, id: Uuid) -> Option<Role> {
    let by_token = actor.scope.covers(tenant).then_some(actor.role);
    let here = |g: &&AccessGrant| match g.datasource_id {
        Some(datasource) => datasource == id && g.tenant.org == tenant.org,
        None => g.tenant == *tenant,
    };
    let granted = actor.grants.iter().filter(|g| tenant.org == *actor.scope.org_id() && here(g)).map(|g| g.role);
    by_token.into_iter().chain(granted).max()
}

/// A datasource of ada's that is shown to a group that nobody is in.
fn hidden(tenant: &Tenant, id: Uuid) -> Datasource {
    let visibility = Visibility { groups: vec!["nobody".into()], ..Visibility::default() };
    Datasource {
        id,
        tenant: tenant.clone(),
        name: "hidden".into(),
        connector_type: "webhook".into(),
        description: String::new(),
        metadata: Metadata { owner: "ada".into(), visibility, ..Metadata::default() },
        status: DatasourceStatus::Draft,
        revision: 1,
        current_version: None,
        latest_version: 0,
        created_at: now(),
        created_by: "ada".into(),
        updated_at: now(),
        updated_by: "ada".into(),
        archived_at: None,
        managed_by: ManagedBy::Api,
        template: None,
    }
}

proptest! {
    #[test]
    fn what_is_for_few_is_seen_by_admins_and_by_whom_it_was_granted_to(
        actor in actor(), tenant in tenant(), id in id(), owns in any::<bool>(),
    ) {
        let subject = if owns { "ada" } else { "bob" };
        let actor = Actor { subject: subject.into(), ..actor };
        let row = hidden(&tenant, id);
        // What is not reached is not asked for.
        prop_assume!(allows_on(&actor, Permission::Read, &tenant, id));
        let granted = actor.grants.iter().any(|g| g.datasource_id == Some(id) && g.tenant.org == tenant.org);
        let administers = role_on(&actor, &tenant, id) == Some(Role::Admin);
        prop_assert_eq!(sees(&actor, &row), owns || granted || administers);
        let open = Datasource { metadata: Metadata::default(), ..row };
        prop_assert!(sees(&actor, &open));
    }

    #[test]
    fn a_permission_reaches_the_rows_on_which_the_role_is_high_enough(
        actor in actor(), tenant in tenant(), id in id(), number in 0..Permission::ALL.len(),
    ) {
        let permission = Permission::ALL[number];
        let whole = actor.scope.project_ids().is_none();
        let of_token = actor.scope.covers(&tenant) && actor.role >= permission.role();
        let expected = match permission.over() {
            Over::Rows => role_on(&actor, &tenant, id).is_some_and(|role| role >= permission.role()),
            Over::Token => of_token,
            Over::Organisation => of_token && whole,
        };
        prop_assert_eq!(allows_on(&actor, permission, &tenant, id), expected);
        if tenant.org != *actor.scope.org_id() {
            prop_assert!(!allows_on(&actor, permission, &tenant, id));
        }
        // Who may do something somewhere is not refused at the door, and who may nowhere is.
        if expected {
            prop_assert!(allows_somewhere(&actor, permission).is_ok());
        }
        if actor.highest_role() < permission.role() {
            prop_assert!(allows_somewhere(&actor, permission).is_err());
        }
    }

    #[test]
    fn more_of_a_permission_is_never_less_of_a_lower_one(actor in actor(), tenant in tenant(), id in id()) {
        for higher in Permission::ALL {
            let asks_less = |p: &&Permission| p.role() <= higher.role() && p.over() <= higher.over();
            for lower in Permission::ALL.iter().filter(asks_less) {
                prop_assert!(!allows_on(&actor, *higher, &tenant, id) || allows_on(&actor, *lower, &tenant, id));
            }
        }
    }
}
