//! From a request to an answer: parse, check limits and roles, execute, count.

use std::sync::Arc;
use std::time::Instant;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Data, Executor, Request, Response, ServerError, Variables};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::api::Origin;
use super::attempts::{self, Attempts};
use super::error::{RequestId, complete, refusal, refused};
use super::loaders::Loaders;
use super::{Gateway, cost, tokens};
use crate::app::OpContext;
use crate::error::{Error, ErrorCode};

/// Longest document, in bytes: variables may be as long as a request.
const DOCUMENT_MAX: usize = 262_144;

/// How many operations one socket takes at a time.
pub(super) const OPERATIONS_MAX: usize = 100;
/// How many answers of one stream wait for who reads them.
const UNREAD_MAX: usize = 16;

/// A document that may be executed.
pub(super) struct Prepared {
    request: Request,
    pub(super) operation_type: OperationType,
    operation_name: Option<String>,
    attempts: Attempts,
}

impl Gateway {
    /// Parses and checks. What comes back as an error was not executed in any part.
    pub(super) fn prepare(&self, mut request: Request, ctx: &OpContext) -> Result<Prepared, Box<Response>> {
        let refuse = |error: ServerError| {
            let mut response = Response::from_errors(vec![error]);
            complete(&mut response, &self.0.limits, &ctx.request_id);
            attempts::too_complex(&self.0.app, ctx, &response);
            Box::new(response)
        };
        let resolved = self.0.documents.resolve(&mut request);
        resolved.map_err(|error| Box::new(refused(&error, &ctx.request_id)))?;
        let longest = self.0.limits.graphql_max_body.min(DOCUMENT_MAX);
        if request.query.len() > longest {
            let message = format!("the document is longer than {longest} bytes; send values as variables");
            return Err(refuse(refusal(ErrorCode::QueryTooComplex, message)));
        }
        let tokens = self.0.limits.graphql_max_tokens;
        if tokens::exceed(&request.query, tokens) {
            let message = format!("the document has more than {tokens} tokens; send values as variables");
            return Err(refuse(refusal(ErrorCode::QueryTooComplex, message)));
        }
        let name = request.operation_name.clone();
        // Taken out, for a borrow of the parsed document is a borrow of the request.
        let variables = std::mem::take(&mut request.variables);
        let document = request.parsed_query().map_err(refuse)?;
        let (operation_name, operation) = select(document, name.as_deref()).map_err(refuse)?;
        let most = self.0.limits.graphql_max_complexity;
        let cost = cost::check(&self.0.rules, document, operation, &variables, most).map_err(refuse)?;
        let tried = Attempts::of(&self.0.rules, document, operation, &variables);
        let heard = |error| {
            let refused = refuse(error);
            tried.refused(&self.0.app, ctx, &refused);
            refused
        };
        check_variables(operation, &variables).map_err(heard)?;
        let introspection = self.0.limits.graphql_introspection;
        self.0.rules.check(document, operation, &ctx.actor, introspection).map_err(heard)?;
        let limits = self.0.app.limits();
        limits.operation(&ctx.actor, cost).map_err(|error| Box::new(refused(&error, &ctx.request_id)))?;
        let (operation_type, operation_name) = (operation.ty, operation_name.map(str::to_owned));
        let request = request
            .variables(variables)
            .data(ctx.clone())
            .data(RequestId(ctx.request_id.clone()))
            .data(Loaders::new(self.0.app.clone(), ctx.clone()));
        Ok(Prepared { request, operation_type, operation_name, attempts: tried })
    }

    pub(super) async fn run(&self, prepared: Prepared, ctx: &OpContext) -> Response {
        let began = Instant::now();
        // What takes too long is given up; a transaction under way leaves nothing behind.
        let mut response = match tokio::time::timeout(self.0.timeout, self.0.schema.execute(prepared.request)).await {
            Ok(response) => response,
            Err(_) => {
                let message = "the operation took too long and was given up; ask for less, or try again";
                refused(&Error::new(ErrorCode::Unavailable, message), &ctx.request_id)
            }
        };
        complete(&mut response, &self.0.limits, &ctx.request_id);
        prepared.attempts.refused(&self.0.app, ctx, &response);
        self.count(prepared.operation_type, prepared.operation_name.as_deref(), &response, began);
        response
    }

    /// In a task of its own, whatever it is: who does not read must not keep what reads for him from
    /// giving its connection to the database back.
    pub(super) fn run_stream(&self, prepared: Prepared, ctx: &OpContext) -> BoxStream<'static, Response> {
        let (gateway, ctx) = (self.clone(), ctx.clone());
        let (sender, receiver) = mpsc::channel(UNREAD_MAX);
        let task = tokio::spawn(async move {
            if prepared.operation_type != OperationType::Subscription {
                let _ = sender.send(gateway.run(prepared, &ctx).await).await;
                return;
            }
            let permit = gateway.0.app.limits().stream(&ctx.actor);
            if let Err(error) = &permit {
                let _ = sender.send(gateway.refused_here(&prepared, error, &ctx)).await;
                return;
            }
            gateway.0.metrics.graphql_request(
                type_name(prepared.operation_type),
                prepared.operation_name.as_deref(),
                None,
                std::time::Duration::ZERO,
            );
            let mut responses = gateway.0.schema.execute_stream(prepared.request);
            while let Some(mut response) = responses.next().await {
                complete(&mut response, &gateway.0.limits, &ctx.request_id);
                prepared.attempts.refused(&gateway.0.app, &ctx, &response);
                if sender.send(response).await.is_err() {
                    return;
                }
            }
        });
        let task = AbortOnDropHandle::new(task);
        futures::stream::unfold((receiver, task), async |(mut receiver, task)| {
            Some((receiver.recv().await?, (receiver, task)))
        })
        .boxed()
    }

    /// Refuses what was prepared, for the way that it came.
    pub(super) fn refused_here(&self, prepared: &Prepared, error: &Error, ctx: &OpContext) -> Response {
        let response = refused(error, &ctx.request_id);
        prepared.attempts.refused(&self.0.app, ctx, &response);
        response
    }

    /// Hears of a caller without a valid token.
    pub(super) fn refused_stranger(&self, error: &Error, origin: &Origin) {
        self.0.app.refused_stranger(error.code(), origin.address, &origin.request_id);
    }

    fn count(&self, ty: OperationType, name: Option<&str>, response: &Response, began: Instant) {
        let code = response.errors.first().and_then(|e| e.extensions.as_ref()).and_then(|e| e.get("code"));
        let code = code.and_then(|value| match value {
            async_graphql::Value::String(text) => ErrorCode::ALL.into_iter().find(|c| c.as_str() == text),
            _ => None,
        });
        self.0.metrics.graphql_request(type_name(ty), name, code, began.elapsed());
    }
}

fn type_name(ty: OperationType) -> &'static str {
    match ty {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

fn select<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<(Option<&'a str>, &'a OperationDefinition), ServerError> {
    let missing = |message: &str| Err(refusal(ErrorCode::ValidationFailed, message));
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok((None, &operation.node)),
        (DocumentOperations::Single(_), Some(_)) => missing("the document has no operation of that name"),
        (DocumentOperations::Multiple(all), Some(name)) => match all.get_key_value(name) {
            Some((name, operation)) => Ok((Some(name.as_str()), &operation.node)),
            None => missing("the document has no operation of that name"),
        },
        (DocumentOperations::Multiple(all), None) => match all.iter().next() {
            Some((name, operation)) if all.len() == 1 => Ok((Some(name.as_str()), &operation.node)),
            _ => missing("the document has several operations; name one in operationName"),
        },
    }
}

/// A variable that must have a value and has none is a fault of the request, so nothing is executed;
/// the engine would find it only at the field that uses it.
fn check_variables(operation: &OperationDefinition, variables: &Variables) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
        let given = variables.get(name).is_some_and(|value| *value != async_graphql::Value::Null);
        let absent = !variables.contains_key(name);
        let defaulted = absent && definition.node.default_value.is_some();
        if !(ty.nullable || given || defaulted) {
            let mut error =
                refusal(ErrorCode::ValidationFailed, format!("the variable ${name} of type {ty} has no value"));
            error.locations = vec![definition.pos];
            return Err(error);
        }
    }
    Ok(())
}

/// One caller's view of the gateway, for the WebSocket protocol.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) gateway: Gateway,
    pub(super) ctx: OpContext,
    /// For each operation that runs on this socket.
    pub(super) places: Arc<Semaphore>,
}

impl Executor for Session {
    async fn execute(&self, request: Request) -> Response {
        match self.gateway.prepare(request, &self.ctx) {
            Ok(prepared) => self.gateway.run(prepared, &self.ctx).await,
            Err(response) => *response,
        }
    }

    fn execute_stream(&self, request: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let message =
                format!("a socket takes {OPERATIONS_MAX} operations at a time; complete some, or open another");
            let error = Error::new(ErrorCode::RateLimited, message);
            return futures::stream::iter([refused(&error, &self.ctx.request_id)]).boxed();
        };
        let responses = match self.gateway.prepare(request, &self.ctx) {
            Ok(prepared) => self.gateway.run_stream(prepared, &self.ctx),
            Err(response) => futures::stream::iter([*response]).boxed(),
        };
        responses
            .map(move |response| {
                let _ = &place;
                response
            })
            .boxed()
    }
}
