//! How a metric family is declared: its doc comment is its help text.

use prometheus::core::{Collector, Opts};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Result,
};

/// A metric family as documentation shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// A collector that can be made from its declaration.
pub(super) trait Declared: Collector + Clone + Sized + 'static {
    const KIND: &'static str;

    fn declare(family: &Family, buckets: &[f64]) -> Result<Self>;
}

macro_rules! declared {
    ($($collector:ty, $kind:literal, |$family:ident, $buckets:ident| $make:expr;)+) => {
        $(impl Declared for $collector {
            const KIND: &'static str = $kind;

            fn declare($family: &Family, $buckets: &[f64]) -> Result<Self> {
                $make
            }
        })+
    };
}

declared! {
    IntCounterVec, "counter", |family, _buckets| Self::new(Opts::new(family.name, family.help), family.labels);
    IntGaugeVec, "gauge", |family, _buckets| Self::new(Opts::new(family.name, family.help), family.labels);
    GaugeVec, "gauge", |family, _buckets| Self::new(Opts::new(family.name, family.help), family.labels);
    HistogramVec, "histogram", |family, buckets| {
        Self::new(HistogramOpts::new(family.name, family.help).buckets(buckets.to_vec()), family.labels)
    };
    IntCounter, "counter", |family, _buckets| Self::with_opts(Opts::new(family.name, family.help));
    IntGauge, "gauge", |family, _buckets| Self::with_opts(Opts::new(family.name, family.help));
    Histogram, "histogram", |family, buckets| {
        Self::with_opts(HistogramOpts::new(family.name, family.help).buckets(buckets.to_vec()))
    };
}

/// Declares a struct of collectors, and the table that describes them.
///
/// A field reads `name: Type = "family_name" { "label", … }`, with `in BUCKETS` for a histogram.
macro_rules! families {
    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };
    (
        $(#[$outer:meta])*
        $vis:vis struct $set:ident {
            $( $(#[doc = $help:literal])+ $field:ident: $collector:ty = $name:literal
               { $($label:literal),* } $(in $buckets:ident)?; )+
        }
    ) => {
        $(#[$outer])*
        $vis struct $set {
            $( $(#[doc = $help])+ $vis $field: $collector, )+
        }

        impl $set {
            $vis const FAMILIES: &[$crate::telemetry::Family] = &[
                $( $crate::telemetry::Family {
                    name: $name,
                    kind: <$collector as $crate::telemetry::families::Declared>::KIND,
                    labels: &[$($label),*],
                    help: concat!($($help),+).trim_ascii(),
                }, )+
            ];

            $vis fn register(registry: &prometheus::Registry) -> prometheus::Result<Self> {
                let mut families = Self::FAMILIES.iter();
                $(
                    let $field = {
                        let family = families.next().ok_or_else(|| prometheus::Error::Msg($name.into()))?;
                        let buckets = families!(@buckets $($buckets)?);
                        let collector = <$collector as $crate::telemetry::families::Declared>::declare(family, buckets)?;
                        registry.register(Box::new(collector.clone()))?;
                        collector
                    };
                )+
                Ok(Self { $($field),+ })
            }
        }
    };
}

pub(super) use families;
