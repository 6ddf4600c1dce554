//! Runs a configuration on a sample: decoding and mapping, no sink, no checkpoint.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::change::{Journal, check, journal};
use super::check::on_own_task;
use super::{App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::grant::{Read, Test};
use crate::connectors::Connector;
use crate::domain::TestSample;
use crate::domain::{BlobKind, Change, Datasource, EventType, Outcome, Quota, check_name, checksum, diff};
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::mapping::{Limits, Summary};
use crate::registry::Plan;
use crate::store::sample::SamplePayload;

/// Test runs at once in this process; more wait for their turn.
pub(super) const CONCURRENT_RUNS: usize = 4;
/// How long a run waits for its turn.
const QUEUE_TIME: Duration = Duration::from_secs(5);
/// The longest payload, in bytes.
const PAYLOAD_MAX: usize = 1024 * 1024;
/// What mapping may take.
const TIME_MAX: Duration = Duration::from_secs(5);
/// What fetching a sample may take.
const FETCH_MAX: Duration = Duration::from_secs(15);
const OUTPUTS_MAX: usize = 100;
const ERRORS_MAX: usize = 100;
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Clone, Debug)]
pub struct TestRequest {
    pub id: Uuid,
    /// Absent: the latest.
    pub version: Option<i32>,
    /// Tested in place of a stored version.
    pub config_override: Option<Value>,
    pub input: TestInput,
    pub save_sample_as: Option<String>,
}

/// What a configuration is tested on.
#[derive(Clone, Debug)]
pub enum TestInput {
    /// A raw payload, as the source would send it.
    Payload(Vec<u8>),
    /// A stored sample, by name.
    Sample(String),
    /// One sample from the source, now.
    Fetch,
    /// The sample of the connector type.
    Example,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct TestRun {
    pub version: Option<i32>,
    pub outputs: Vec<TestOutput>,
    pub errors: Vec<TestRecordError>,
    pub warnings: Vec<String>,
    pub logs: Vec<String>,
    /// What comes out differently than with the published configuration; `None` where that is not known.
    pub diff: Option<Vec<Change>>,
    /// The payload that was used, where it was fetched or stored.
    pub payload: Option<String>,
    pub duration: Duration,
}

#[derive(Clone, Debug)]
pub struct TestOutput {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

/// A record that failed, and the part of the configuration at which it did.
#[derive(Clone, Debug)]
pub struct TestRecordError {
    pub record: Option<usize>,
    pub code: String,
    pub path: String,
    pub message: String,
}

impl TestRun {
    /// The outputs as one document.
    fn records(&self) -> Value {
        self.outputs.iter().map(|o| json!({ "id": o.id, "kind": o.kind, "data": o.data })).collect()
    }

    /// Of what was tested, on what, and what came out; the same test again has the same.
    fn digest(&self, config: &Value, payload: &[u8]) -> String {
        let shown = json!({
            "config": config,
            "payload": String::from_utf8_lossy(payload),
            "outputs": self.records(),
            "failed": self.errors.len(),
        });
        checksum(&shown)
    }

    pub fn success(&self) -> bool {
        self.errors.is_empty()
    }
}

impl App {
    pub async fn test_samples(&self, ctx: &OpContext, id: Uuid) -> Result<Vec<TestSample>> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        tx.datasource(id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        let stored = tx.test_samples(id).await?;
        drop(tx);
        self.filled(stored).await
    }

    pub async fn test(&self, ctx: &OpContext, request: TestRequest) -> Result<TestRun> {
        let proof = ctx.authorize::<Test>()?;
        self.limits.test_run(&ctx.actor)?;
        if let Some(name) = &request.save_sample_as {
            let mut problems = Vec::new();
            check_name("/saveSampleAs", name, &mut problems);
            check(problems)?;
        }
        if let TestInput::Payload(bytes) = &request.input
            && bytes.len() > PAYLOAD_MAX
        {
            return Err(Error::invalid(
                "/payload",
                format!("is {} bytes long; the most is {PAYLOAD_MAX}", bytes.len()),
            ));
        }
        self.run_once(ctx, &proof, Box::pin(self.run_test(ctx, &proof, &request))).await
    }

    async fn run_test(&self, ctx: &OpContext, proof: &Authorized<Test>, request: &TestRequest) -> Result<TestRun> {
        let (row, number, config) = self.what_to_test(proof, request).await?;
        let plan = Plan::compile(self.connectors(), self.sinks(), &config).map_err(Error::config_invalid)?;
        if plan.document.connector_type != row.connector_type {
            let message = format!("must be {:?}, the type of the datasource", row.connector_type);
            return Err(Error::config_invalid(vec![Problem::new("/connector/type", message)]));
        }
        let turn = take_turn(&self.test_slots).await?;
        let began = Instant::now();
        let payload = self.payload(ctx, proof, &row, number, &plan, &request.input).await?;
        let shown = match &request.input {
            TestInput::Payload(_) => None,
            _ => Some(String::from_utf8_lossy(&payload).into_owned()),
        };
        let kept =
            request.save_sample_as.as_ref().map(|name| (name.clone(), String::from_utf8_lossy(&payload).into_owned()));
        let published = self.published_plan(proof, &row, number).await?;
        let connectors = self.registry.clone();
        // The turn goes along: a run that outlives its caller still counts.
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let connector = connectors.connectors().get(&plan.document.connector_type);
            connector.map(|c| {
                let run = run_both(c, &plan, published.as_ref(), &payload);
                let digest = run.digest(&config, &payload);
                (run, digest)
            })
        });
        let done = tokio::time::timeout(TIME_MAX + Duration::from_secs(2), work).await;
        let done = done.map_err(|_| {
            Error::new(ErrorCode::TestFailed, "the test ran out of time; simplify its paths or its transform")
        })?;
        let done = done.map_err(Error::internal)?;
        let (mut result, digest) = done.ok_or_else(|| Error::internal("connector type vanished"))?;
        result.version = number;
        result.payload = shown;
        result.duration = began.elapsed();

        let outcome = if result.success() { Outcome::Success } else { Outcome::Failed };
        self.metrics.test_run(outcome);
        // Before the transaction: a store may take its time. What is refused after this has no row, and is swept.
        let blob = match &kept {
            Some((_, payload)) if payload.len() > self.sample_inline_max => {
                let (org, bytes) = (&row.tenant.org, payload.clone().into());
                let installation = self.store.installation().await?.id;
                Some(self.blobs.put(&installation, org, BlobKind::TestSample, &ctx.actor.subject, bytes).await?)
            }
            _ => None,
        };
        let mut tx = ctx.begin(&self.store, proof).await?;
        if let Some(number) = number {
            let shown = result.success().then_some(digest.as_str());
            self.settle_after_test(ctx, proof, &mut tx, &row, number, shown).await?;
        }
        if let Some((name, payload)) = kept {
            let payload = blob.as_ref().map_or(SamplePayload::Inline(&payload), SamplePayload::Blob);
            tx.put_test_sample(proof, &row.tenant, row.id, &name, payload).await?;
            self.admit(&tx, Quota::SampleBytes).await?;
        }
        let details = json!({
            "digest": digest,
            "success": result.success(),
            "outputs": result.outputs.len(),
            "errors": result.errors.len(),
            "durationMs": u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
        });
        ctx.journal(&mut tx, Journal { version: number, ..journal(&row, EventType::TestRun, details) });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::TestRun);
        Ok(result)
    }

    /// The published configuration, to compare with; `None` where it is the one under test, or does not compile today.
    async fn published_plan(
        &self,
        proof: &Authorized<Test>,
        row: &Datasource,
        tested: Option<i32>,
    ) -> Result<Option<Plan>> {
        let Some(number) = row.current_version.filter(|n| Some(*n) != tested) else { return Ok(None) };
        let version = self.store.read(proof.scope()).await?.version(row.id, number).await?;
        Ok(version.and_then(|v| Plan::compile(self.connectors(), self.sinks(), &v.config).ok()))
    }

    async fn what_to_test(
        &self,
        proof: &Authorized<Test>,
        request: &TestRequest,
    ) -> Result<(Datasource, Option<i32>, Value)> {
        let tx = self.store.read(proof.scope()).await?;
        let row = tx.datasource(request.id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        if let Some(config) = &request.config_override {
            let checked = self.check_config(&row.connector_type, config.clone())?;
            return Ok((row, None, checked.into_config()));
        }
        let number = request.version.unwrap_or(row.latest_version);
        if number == 0 {
            return Err(Error::conflict("the datasource has no version yet; create one, or pass configOverride"));
        }
        let version = tx.version(row.id, number).await?.ok_or_else(|| Error::not_found("version"))?;
        Ok((row, Some(number), version.config))
    }

    async fn payload(
        &self,
        ctx: &OpContext,
        proof: &Authorized<Test>,
        row: &Datasource,
        version: Option<i32>,
        plan: &Plan,
        input: &TestInput,
    ) -> Result<Vec<u8>> {
        let connector = self.connectors().get(&plan.document.connector_type);
        let connector = connector.ok_or_else(|| Error::internal("connector type vanished"))?;
        match input {
            TestInput::Payload(bytes) => Ok(bytes.clone()),
            TestInput::Example => Ok(connector.spec().sample.to_string().into_bytes()),
            TestInput::Sample(name) => {
                let tx = self.store.read(proof.scope()).await?;
                let stored = tx.test_sample(row.id, name).await?;
                drop(tx);
                let stored = stored.ok_or_else(|| Error::not_found("sample"))?;
                Ok(self.fill(stored).await?.payload.into_bytes())
            }
            TestInput::Fetch => {
                let published = version.is_some() && version == row.current_version;
                let (config, context) = self.source(ctx, proof, row, published, &plan.document).await?;
                let failed = |message: String| Error::new(ErrorCode::TestFailed, message);
                let (registry, kind) = (self.registry.clone(), plan.document.connector_type.clone());
                let fetch = on_own_task(async move {
                    let connector = registry.connectors().get(&kind);
                    let connector = connector.ok_or_else(|| Error::internal("connector type vanished"))?;
                    let fetched = connector.sample(&config, context).await;
                    fetched.map_err(|e| failed(format!("the source could not be read: {}", e.message)))
                });
                let fetched = tokio::time::timeout(FETCH_MAX, fetch).await;
                let fetched = fetched.map_err(|_| failed("the source did not answer in time".into()))??;
                let bytes = fetched.ok_or_else(|| {
                    Error::invalid("/fetch", "this connector waits to be called; pass a payload instead")
                })?;
                tracing::debug!(datasource = %row.id, version, bytes = bytes.len(), "fetched a sample");
                if bytes.len() > PAYLOAD_MAX {
                    return Err(failed(format!("the sample is {} bytes long; the most is {PAYLOAD_MAX}", bytes.len())));
                }
                Ok(bytes)
            }
        }
    }
}

pub(super) async fn take_turn(slots: &std::sync::Arc<Semaphore>) -> Result<tokio::sync::OwnedSemaphorePermit> {
    let turn = tokio::time::timeout(QUEUE_TIME, slots.clone().acquire_owned()).await;
    let turn = turn
        .map_err(|_| Error::new(ErrorCode::RateLimited, "too many tests run right now; try again in a few seconds"))?;
    turn.map_err(Error::internal)
}

fn run_both(connector: &dyn Connector, plan: &Plan, published: Option<&Plan>, payload: &[u8]) -> TestRun {
    let deadline = Instant::now() + TIME_MAX;
    let mut result = run(connector, plan, payload, deadline);
    if let Some(published) = published {
        let before = run(connector, published, payload, deadline);
        // What ran out of time has no outputs to compare with.
        result.diff = (Instant::now() < deadline).then(|| diff(&before.records(), &result.records()));
    }
    result
}

fn run(connector: &dyn Connector, plan: &Plan, payload: &[u8], deadline: Instant) -> TestRun {
    let mut result = TestRun {
        version: None,
        outputs: Vec::new(),
        errors: Vec::new(),
        warnings: Vec::new(),
        logs: Vec::new(),
        diff: None,
        payload: None,
        duration: Duration::ZERO,
    };
    let documents = match connector.decode(&plan.document.connector, payload) {
        Ok(documents) => documents,
        Err(error) => {
            result.errors.push(TestRecordError {
                record: None,
                code: error.code.to_owned(),
                path: "/connector".into(),
                message: error.message,
            });
            return result;
        }
    };
    let limits = Limits {
        max_records: 1_000,
        max_record_bytes: 1024 * 1024,
        max_total_bytes: OUTPUT_BYTES_MAX,
        deadline: Some(deadline),
    };
    let (mut total, mut hidden) = (Summary::default(), 0_usize);
    for document in &documents {
        let offset = total.inputs;
        let summary = plan.mapping.apply(document, &limits, &mut |mapped| match mapped {
            Ok(m) if result.outputs.len() < OUTPUTS_MAX => {
                result.outputs.push(TestOutput { id: m.id, kind: m.kind.to_string(), data: Value::Object(m.data) })
            }
            Ok(_) => hidden += 1,
            Err(e) if result.errors.len() < ERRORS_MAX => result.errors.push(TestRecordError {
                record: Some(offset + e.record),
                code: e.code.to_owned(),
                path: e.path,
                message: e.message,
            }),
            Err(_) => hidden += 1,
        });
        total.inputs += summary.inputs;
        total.mapped += summary.mapped;
        total.failed += summary.failed;
        total.skipped += summary.skipped;
        total.dropped += summary.dropped;
        result.logs.extend(summary.logs);
        if summary.incomplete {
            break;
        }
    }
    result.logs.truncate(1_000);
    result.warnings = warnings(&total, hidden, &result.outputs);
    result
}

fn warnings(total: &Summary, hidden: usize, outputs: &[TestOutput]) -> Vec<String> {
    let mut warnings = Vec::new();
    if total.inputs == 0 {
        warnings.push("mapping.input matched nothing: no record came out of this payload".to_owned());
    } else if total.mapped == 0 && total.failed == 0 {
        warnings.push("every record was skipped by a 'when' or dropped by the transform".to_owned());
    }
    if hidden > 0 {
        warnings.push(format!("{hidden} more results are not shown"));
    }
    let empty: std::collections::BTreeSet<_> = outputs
        .iter()
        .filter_map(|o| o.data.as_object().map(|data| (&o.kind, data)))
        .flat_map(|(kind, data)| data.iter().filter(|(_, v)| v.is_null()).map(move |(field, _)| (kind, field)))
        .collect();
    for (kind, field) in empty.into_iter().take(20) {
        warnings.push(format!("{kind}.{field} is null in at least one record: its path found nothing"));
    }
    warnings
}
