//! How often clients may come: token buckets by address, principal and datasource.
//!
//! A bucket holds `burst` tokens and is refilled at `rate`. Buckets are of one process: what a
//! client may do on a cluster grows with its nodes.

mod organisations;
mod rules;
mod streams;

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{NotUntil, RateLimiter};
use uuid::Uuid;

pub use self::organisations::OwnQuotas;
pub use self::streams::StreamPermit;

use self::organisations::Organisations;
use self::rules::Rules;
use self::streams::{STREAMS_MAX, Streams};
use crate::auth::Actor;
use crate::error::{Error, ErrorCode, Result};
use crate::telemetry::Metrics;

/// After how many checks buckets that are full again are thrown away.
const SWEEP_EVERY: u32 = 4_096;

/// What is counted, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Address,
    Refused,
    Principal,
    GraphqlCost,
    TestRuns,
    Webhook,
}

impl Limit {
    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Refused => "refused",
            Self::Principal => "principal",
            Self::GraphqlCost => "graphql_cost",
            Self::TestRuns => "test_runs",
            Self::Webhook => "webhook",
        }
    }

    const fn explanation(self) -> &'static str {
        match self {
            Self::Address => "too many requests from this address",
            Self::Refused => "too many refused credentials from this address",
            Self::Principal => "too many requests with this credential",
            Self::GraphqlCost => {
                "the operations of this credential cost too much together; ask for less, or less often"
            }
            Self::TestRuns => "too many test runs with this credential",
            Self::Webhook => "too many requests for this webhook",
        }
    }
}

/// The limits of a process; cheap to clone.
#[derive(Clone)]
pub struct RateLimits(Arc<Inner>);

struct Inner {
    hasher: RandomState,
    clock: DefaultClock,
    address: Buckets,
    refused: Buckets,
    principal: Buckets,
    graphql_cost: Buckets,
    test_runs: Buckets,
    webhook: Buckets,
    organisations: Organisations,
    streams: Streams,
    metrics: Arc<Metrics>,
}

type Keyed = RateLimiter<u64, DefaultKeyedStateStore<u64>, DefaultClock>;

/// `None` is no limit. Keys are hashes under a key of this process: nobody can choose two that collide.
struct Buckets(Option<Filled>);

struct Filled {
    limiter: Keyed,
    burst: NonZeroU32,
    checks: AtomicU32,
}

impl RateLimits {
    /// `setting` is `default`, `off`, or the path of a TOML file. `cost_max` is what one GraphQL operation may cost.
    pub fn from_setting(setting: &str, cost_max: usize, metrics: Arc<Metrics>) -> Result<Self, String> {
        let rules = Rules::read(setting)?;
        rules.check(cost_max)?;
        let buckets = |rate: Option<rules::Rate>| {
            Buckets(rate.map(|rate| Filled {
                limiter: RateLimiter::keyed(rate.quota()),
                burst: rate.burst,
                checks: AtomicU32::new(0),
            }))
        };
        Ok(Self(Arc::new(Inner {
            address: buckets(rules.address),
            refused: buckets(rules.refused),
            principal: buckets(rules.principal),
            graphql_cost: buckets(rules.graphql_cost),
            test_runs: buckets(rules.test_runs),
            webhook: buckets(rules.webhook),
            organisations: Organisations::default(),
            streams: Streams::new(Arc::clone(&metrics)),
            hasher: RandomState::new(),
            clock: DefaultClock::default(),
            metrics,
        })))
    }

    /// Any request of an address but webhooks, probes and metrics.
    pub fn address(&self, address: IpAddr) -> Result<()> {
        self.take(Limit::Address, &self.0.address, network(address), 1)
    }

    /// A credential of an address that was refused, or a webhook that does not exist.
    pub fn refused(&self, address: Option<IpAddr>) -> Result<()> {
        self.take(Limit::Refused, &self.0.refused, address.map(network), 1)
    }

    /// What `error` says of a credential; whoever sent none tries none.
    pub fn guess(&self, credential: Option<&str>, error: &Error, address: Option<IpAddr>) -> Result<()> {
        match (credential, error.code()) {
            (Some(_), ErrorCode::Unauthenticated) => self.refused(address),
            _ => Ok(()),
        }
    }

    /// A REST request.
    pub fn request(&self, actor: &Actor) -> Result<()> {
        self.organisation(actor)?;
        self.take(Limit::Principal, &self.0.principal, principal(actor), 1)
    }

    /// A GraphQL operation, by its computed cost.
    pub fn operation(&self, actor: &Actor, cost: usize) -> Result<()> {
        self.organisation(actor)?;
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        self.take(Limit::GraphqlCost, &self.0.graphql_cost, principal(actor), cost)
    }

    pub fn test_run(&self, actor: &Actor) -> Result<()> {
        self.take(Limit::TestRuns, &self.0.test_runs, principal(actor), 1)
    }

    pub fn webhook(&self, datasource: Uuid) -> Result<()> {
        self.take(Limit::Webhook, &self.0.webhook, datasource, 1)
    }

    /// The quota `requests_per_minute`: of the settings, and of organisations that differ. It holds although
    /// rate limits are off, for it is what an organisation was given.
    pub fn set_quotas(&self, default: Option<u64>, own: OwnQuotas) {
        self.0.organisations.set(default, own);
    }

    /// A subscription; it counts until the permit is dropped.
    pub fn stream(&self, actor: &Actor) -> Result<StreamPermit> {
        self.0.streams.open(self.0.hasher.hash_one(principal(actor))).ok_or_else(|| {
            self.0.metrics.rate_limited("streams");
            let message = format!("{STREAMS_MAX} subscriptions are open with this credential; end some of them first");
            Error::new(ErrorCode::RateLimited, message)
        })
    }

    fn organisation(&self, actor: &Actor) -> Result<()> {
        self.0.organisations.take(actor.scope.org_id()).map_err(|(most, seconds)| {
            self.0.metrics.rate_limited("organisation");
            let message = format!(
                "your organisation has a quota of {most} requests a minute (requests_per_minute); come again in {seconds} s"
            );
            Error::new(ErrorCode::RateLimited, message).retry_after(seconds)
        })
    }

    fn take(&self, limit: Limit, buckets: &Buckets, key: impl Hash, tokens: u32) -> Result<()> {
        let Buckets(Some(Filled { limiter, burst, checks })) = buckets else { return Ok(()) };
        if checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            limiter.retain_recent();
        }
        let key = self.0.hasher.hash_one(key);
        let early = match NonZeroU32::new(tokens).unwrap_or(NonZeroU32::MIN) {
            // No bucket ever holds so much; the rules leave room for whatever one request may take.
            tokens if tokens > *burst => None,
            tokens => match limiter.check_key_n(&key, tokens) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(early)) => Some(early),
                Err(_) => None,
            },
        };
        self.0.metrics.rate_limited(limit.name());
        let wait = early.map(|early: NotUntil<_>| early.wait_time_from(self.0.clock.now())).unwrap_or_default();
        let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
        let message = format!("{}; come again in {seconds} s", limit.explanation());
        Err(Error::new(ErrorCode::RateLimited, message).retry_after(seconds))
    }
}

fn principal(actor: &Actor) -> impl Hash {
    (actor.scope.org_id(), Arc::clone(&actor.subject))
}

/// Who has one address of an IPv6 network has all 2^64 of them.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> RateLimits {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let setting = file.path().to_str().expect("a path");
        RateLimits::from_setting(setting, 20_000, Metrics::new(1)).expect("limits")
    }

    #[test]
    fn a_burst_is_taken_and_what_follows_is_told_when_to_come() {
        let limits = limits("address = { rate = \"1/min\", burst = 3 }");
        let address = IpAddr::from([192, 0, 2, 1]);
        assert!((0..3).all(|_| limits.address(address).is_ok()));
        let refused = limits.address(address).expect_err("the fourth");
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        assert!((55..=60).contains(&refused.wait().expect("a time")), "{:?}", refused.wait());
        assert!(limits.address(IpAddr::from([192, 0, 2, 2])).is_ok(), "another address has its own");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_a_mapped_address_is_its_own() {
        let limits = limits("address = { rate = \"1/h\", burst = 1 }");
        let v6 = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(limits.address(v6("2001:db8:0:1::1")).is_ok());
        assert!(limits.address(v6("2001:db8:0:1:ffff::2")).is_err());
        assert!(limits.address(v6("2001:db8:0:2::1")).is_ok());
        assert!(limits.address(v6("192.0.2.7")).is_ok());
        assert!(limits.address(v6("::ffff:192.0.2.7")).is_err());
    }

    #[test]
    fn principals_of_two_organisations_share_nothing_though_they_share_a_name() {
        let limits = limits("test_runs = { rate = \"1/h\", burst = 1 }");
        let (acme, globex) = (Actor::system("x", "acme"), Actor::system("x", "globex"));
        assert!(limits.test_run(&acme).is_ok() && limits.test_run(&globex).is_ok());
        assert!(limits.test_run(&acme).is_err() && limits.test_run(&globex).is_err());
    }

    #[test]
    fn an_operation_takes_what_it_costs() {
        let limits = limits("graphql_cost = { rate = \"1/min\", burst = 20000 }");
        let actor = Actor::system("x", "acme");
        assert!(limits.operation(&actor, 19_000).is_ok());
        assert!(limits.operation(&actor, 1_001).is_err());
        assert!(limits.operation(&actor, 1_000).is_ok(), "what was refused took nothing");
        assert!(limits.operation(&actor, usize::MAX).is_err());
    }

    #[test]
    fn full_buckets_are_thrown_away() {
        let limits = limits("webhook = { rate = \"1000000000/s\", burst = 1 }");
        for id in 0..u128::from(SWEEP_EVERY) * 3 {
            assert!(limits.webhook(Uuid::from_u128(id)).is_ok());
        }
        let Buckets(Some(Filled { limiter, .. })) = &limits.0.webhook else { panic!("a limit") };
        assert!(limiter.len() <= SWEEP_EVERY as usize, "{} buckets", limiter.len());
    }
}
