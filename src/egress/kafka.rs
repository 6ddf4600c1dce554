//! Connections to Kafka, for the connector and the sink.
//!
//! librdkafka resolves names and connects by itself. So the brokers that are named are judged before a client is made,
//! and those that the cluster announces before it is read from or written to; between the judgement and the
//! connection a name server could still answer differently.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Egress;
use super::tls::Tls;
use crate::error::Problem;
use crate::fault::Fault;
use crate::mapping::SecretText;

/// How long a broker may take to say what the cluster looks like.
pub const METADATA_MAX: Duration = Duration::from_secs(10);
const PORT: u16 = 9092;

/// How a client proves who it is.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// The brokers are open, or know the client by its certificate.
    #[schemars(title = "None")]
    None {},
    /// SASL with a user name and a password.
    #[schemars(title = "SASL")]
    Sasl {
        /// The mechanism that the brokers expect.
        #[serde(default)]
        mechanism: Mechanism,
        /// The user name, or the API key.
        #[schemars(length(min = 1, max = 256))]
        username: String,
        /// The password, or the secret of the API key.
        password: SecretText,
    },
}

impl Default for Auth {
    fn default() -> Self {
        Self::None {}
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// `PLAIN`: the password is sent; use it with TLS only.
    #[default]
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

/// Which cluster, and how.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub brokers: &'a [String],
    pub auth: &'a Auth,
    pub tls: Option<&'a Tls>,
}

impl Target<'_> {
    /// What is wrong with it, offline.
    pub fn problems(&self) -> Vec<Problem> {
        let wrong = |(i, broker): (usize, &String)| Some(Problem::new(format!("/brokers/{i}"), parse(broker).err()?));
        let mut found: Vec<_> = self.brokers.iter().enumerate().filter_map(wrong).collect();
        found.extend(self.tls.into_iter().flat_map(|tls| tls.problems("/tls")));
        found
    }

    /// Settings of a client whose brokers may all be connected to.
    pub async fn config(&self, egress: &Egress) -> Result<ClientConfig, Fault> {
        let mut servers = Vec::new();
        for broker in self.brokers {
            let (host, port) = parse(broker).map_err(|e| invalid(format!("brokers: {broker} {e}")))?;
            egress.resolve(&host, port).await?;
            servers.push(format!("{host}:{port}"));
        }
        Ok(self.settings(&servers.join(",")))
    }

    /// What the library is told.
    fn settings(&self, servers: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", servers)
            .set("client.id", "datasource-studio")
            .set("socket.connection.setup.timeout.ms", "10000")
            .set_log_level(RDKafkaLogLevel::Warning);
        let sasl = matches!(self.auth, Auth::Sasl { .. });
        let protocol = match (self.tls.is_some(), sasl) {
            (false, false) => "plaintext",
            (true, false) => "ssl",
            (false, true) => "sasl_plaintext",
            (true, true) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Auth::Sasl { mechanism, username, password } = self.auth {
            let mechanism = match mechanism {
                Mechanism::Plain => "PLAIN",
                Mechanism::ScramSha256 => "SCRAM-SHA-256",
                Mechanism::ScramSha512 => "SCRAM-SHA-512",
            };
            config.set("sasl.mechanism", mechanism).set("sasl.username", username);
            config.set("sasl.password", password.expose());
        }
        if let Some(tls) = self.tls {
            if let Some(ca) = &tls.ca {
                config.set("ssl.ca.pem", ca);
            }
            if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
                config.set("ssl.certificate.pem", certificate).set("ssl.key.pem", key.expose());
            }
        }
        config
    }
}

/// Refuses a cluster that announces a broker which is out of bounds.
pub async fn judge(egress: &Egress, metadata: &Metadata) -> Result<(), Fault> {
    let brokers: Vec<_> = metadata.brokers().iter().map(|b| (b.host().to_owned(), b.port())).collect();
    for (host, port) in brokers {
        egress.resolve(&host, u16::try_from(port).unwrap_or(0)).await?;
    }
    Ok(())
}

/// Remembers what the client complained about: its calls say only that time ran out.
#[derive(Clone, Default)]
pub struct Complaints(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    fault: Option<Fault>,
    /// The client's own words for the last failure, which a consumer finds in its log only.
    words: Option<String>,
}

impl Complaints {
    /// What went wrong, in the client's own words where it had some.
    pub fn explain(&self, error: &KafkaError) -> Fault {
        let heard = self.heard();
        let own = fault(error, heard.words.as_deref().unwrap_or(&error.to_string()));
        if own.is_permanent() { own } else { heard.fault.clone().unwrap_or(own) }
    }

    /// What it means that nothing came for long.
    pub fn silence(&self) -> Fault {
        let said = self.heard().fault.clone();
        said.unwrap_or_else(|| Fault::transient("timeout", "the Kafka cluster sent nothing for long"))
    }

    /// Whether it complained of something that time does not heal.
    pub fn has_final(&self) -> bool {
        let heard = self.heard();
        heard.fault.as_ref().is_some_and(Fault::is_permanent) || heard.words.as_deref().is_some_and(is_of_certificates)
    }

    /// An error that came where messages come.
    pub fn note(&self, error: &KafkaError) {
        let words = self.heard().words.clone();
        self.keep(error, words.as_deref().unwrap_or(&error.to_string()));
    }

    fn keep(&self, error: &KafkaError, reason: &str) {
        let mut heard = self.heard();
        // That all brokers are down follows from what was said of each.
        if heard.fault.is_none() || error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            heard.fault = Some(fault(error, reason));
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Complaints {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka");
        self.keep(&error, reason);
    }

    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "Kafka");
        if facility == "FAIL" {
            // The name of a thread stands before it.
            let words = message.split_once("]: ").map_or(message, |(_, words)| words);
            self.heard().words = Some(words.to_owned());
        }
    }
}

impl ConsumerContext for Complaints {}

fn fault(error: &KafkaError, reason: &str) -> Fault {
    let Some(code) = error.rdkafka_error_code() else {
        // A setting that the library does not take; its text repeats the value.
        return invalid("the Kafka client does not take these settings");
    };
    let message = format!("Kafka said: {reason}");
    if is_of_certificates(reason) {
        return Fault::permanent("tls_failed", format!("{message}; check tls and its authorities"));
    }
    match code {
        RDKafkaErrorCode::Authentication
        | RDKafkaErrorCode::SaslAuthenticationFailed
        | RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::GroupAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => Fault::permanent("unauthorized", message),
        RDKafkaErrorCode::SSL => Fault::permanent("tls_failed", message),
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::InvalidTopic => {
            Fault::permanent("topic_missing", message)
        }
        RDKafkaErrorCode::MessageSizeTooLarge => Fault::rejected("record_too_large", message),
        RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut | RDKafkaErrorCode::MessageTimedOut => {
            Fault::transient("timeout", message)
        }
        RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve => {
            Fault::transient("connect_failed", message)
        }
        _ => Fault::transient("kafka_failed", message),
    }
}

/// A certificate that one side does not take counts as a lost connection for the library; its words tell.
fn is_of_certificates(words: &str) -> bool {
    words.contains("certificate") || (words.contains("SSL") && words.contains(" alert "))
}

/// `host` or `host:port`, an IPv6 address in brackets.
fn parse(broker: &str) -> Result<(String, u16), String> {
    let help = || "must be a host name or address, with a port if it is not 9092".to_owned();
    if broker.contains(['/', '@', ',']) {
        return Err(help());
    }
    let url: url::Url = format!("kafka://{broker}").parse().map_err(|_| help())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(help)?;
    Ok((host.to_owned(), url.port().unwrap_or(PORT)))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::permanent("config_invalid", message)
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;
    use serde_json::json;

    use super::*;

    fn auth(value: serde_json::Value) -> Auth {
        serde_json::from_value(value).expect("settings")
    }

    /// Each setting becomes the property of the library, and the library is built with what they promise.
    #[test]
    fn every_mechanism_with_tls_and_without_becomes_properties_that_the_library_takes() {
        let brokers = ["kafka.example.com".to_owned()];
        for (mechanism, name) in
            [("plain", "PLAIN"), ("scram_sha256", "SCRAM-SHA-256"), ("scram_sha512", "SCRAM-SHA-512")]
        {
            let sasl = auth(json!({ "type": "sasl", "mechanism": mechanism, "username": "u", "password": "p" }));
            for (tls, protocol) in [(Some(Tls::default()), "sasl_ssl"), (None, "sasl_plaintext")] {
                let config = Target { brokers: &brokers, auth: &sasl, tls: tls.as_ref() }.settings("kafka:9092");
                let told =
                    ["bootstrap.servers", "security.protocol", "sasl.mechanism", "sasl.username", "sasl.password"];
                let found = told.map(|key| config.get(key).expect(key));
                assert_eq!(found, ["kafka:9092", protocol, name, "u", "p"]);
                config.create::<BaseConsumer>().expect(name);
            }
        }
    }

    #[test]
    fn certificates_become_properties_and_without_tls_there_are_none() {
        let own = rcgen::generate_simple_self_signed(vec!["kafka.example.com".to_owned()]).expect("a certificate");
        let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        let tls: Tls = serde_json::from_value(json!({ "ca": certificate, "certificate": certificate, "key": key }))
            .expect("settings");
        let (brokers, open) = (["kafka.example.com".to_owned()], Auth::default());
        let config = Target { brokers: &brokers, auth: &open, tls: Some(&tls) }.settings("kafka:9092");
        let told = ["security.protocol", "ssl.ca.pem", "ssl.certificate.pem", "ssl.key.pem"];
        assert_eq!(told.map(|name| config.get(name).expect(name)), ["ssl", &certificate, &certificate, &key]);
        // Whatever the library's own default is: names are verified.
        assert_ne!(config.get("ssl.endpoint.identification.algorithm"), Some("none"));
        config.create::<BaseConsumer>().expect("certificates that the library reads");

        let config = Target { brokers: &brokers, auth: &open, tls: None }.settings("kafka:9092");
        assert_eq!(config.get("security.protocol"), Some("plaintext"));
        assert!(told[1..].iter().all(|name| config.get(name).is_none()));
    }

    #[tokio::test]
    async fn a_broker_that_is_out_of_bounds_is_not_connected_to() {
        let (brokers, auth) = (["127.0.0.1:9092".to_owned()], Auth::default());
        let target = Target { brokers: &brokers, auth: &auth, tls: None };
        let error = target.config(&Egress::new(Vec::new())).await.expect_err("out of bounds");
        assert_eq!(error.code, "egress_denied");
    }

    #[test]
    fn brokers_are_hosts_with_a_port_or_without() {
        assert_eq!(parse("kafka-1.example.com"), Ok(("kafka-1.example.com".into(), 9092)));
        assert_eq!(parse("10.0.0.7:9093"), Ok(("10.0.0.7".into(), 9093)));
        for wrong in ["", "SSL://a:9092", "a,b", "a:x", "a b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
