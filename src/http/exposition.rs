//! Figures as text: OpenMetrics, or the older form of Prometheus, which differs in how counters are announced.

use std::collections::BTreeMap;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::engine::metrics::family::{Amount, Family, Figure, Kind};

pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

const TOTAL: &str = "_total";

pub fn text(figures: Vec<Figure>, openmetrics: bool) -> String {
    let mut families: BTreeMap<&'static str, Vec<Figure>> = BTreeMap::new();
    for figure in figures {
        families.entry(figure.family.name).or_default().push(figure);
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(families)));
    let mut text = String::new();
    // Writing into memory does not fail.
    let _ = encode(&mut text, &registry);
    if openmetrics { text } else { older(&text) }
}

/// There a counter is announced by the name of its samples, and the end is not said.
fn older(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + 1024);
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let announced = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match announced.and_then(|rest| rest.split_once(' ')).filter(|(name, _)| counters.contains(name)) {
            Some((name, rest)) => {
                let word = line.get(..7).unwrap_or_default();
                lines.push_str(&format!("{word}{name}{TOTAL} {rest}"));
            }
            None => lines.push_str(line),
        }
        lines.push('\n');
    }
    lines
}

#[derive(Debug)]
struct Scrape(BTreeMap<&'static str, Vec<Figure>>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for figures in self.0.values() {
            let Some(family) = figures.first().map(|figure| figure.family) else { continue };
            // The encoder puts it there.
            let name = family.name.strip_suffix(TOTAL).unwrap_or(family.name);
            let help = format!("{} ({})", family.help, family.of.word());
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram(_) => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(name, &help, None, kind)?;
            for figure in figures {
                if figure.labels.is_empty() {
                    sample(&mut metric, family, &figure.amount)?;
                } else {
                    let labels: Vec<(&str, &str)> =
                        family.labels.iter().copied().zip(figure.labels.iter().copied()).collect();
                    sample(&mut metric.encode_family(&labels)?, family, &figure.amount)?;
                }
            }
        }
        Ok(())
    }
}

fn sample(metric: &mut MetricEncoder<'_>, family: &Family, amount: &Amount) -> Result<(), std::fmt::Error> {
    match (family.kind, amount) {
        (Kind::Counter, Amount::Whole(amount)) => metric.encode_counter::<NoLabelSet, _, u64>(amount, None),
        (Kind::Counter, Amount::Real(amount)) => metric.encode_counter::<NoLabelSet, _, u64>(amount, None),
        (Kind::Histogram(bounds), Amount::Spread(spread)) => {
            let bounds = bounds.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(spread.hits.iter().copied()).collect();
            let count = spread.hits.iter().sum();
            metric.encode_histogram::<NoLabelSet>(spread.sum, count, &buckets, None)
        }
        (Kind::Gauge, Amount::Whole(amount)) => metric.encode_gauge(amount),
        (Kind::Gauge, Amount::Real(amount)) => metric.encode_gauge(amount),
        // A family has amounts of its own kind only.
        (Kind::Counter | Kind::Gauge, Amount::Spread(_)) | (Kind::Histogram(_), Amount::Whole(_) | Amount::Real(_)) => {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metrics::family::{Of, Spread};

    static CALLS: Family =
        Family { name: "calls_total", kind: Kind::Counter, of: Of::Process, labels: &["tool"], help: "Calls" };
    static AGE: Family = Family { name: "age_seconds", kind: Kind::Gauge, of: Of::Store, labels: &[], help: "Age" };
    static TOOK: Family =
        Family { name: "took_seconds", kind: Kind::Histogram(&[0.5, 1.0]), of: Of::Log, labels: &[], help: "Took" };

    fn figures() -> Vec<Figure> {
        vec![
            Figure::whole(&CALLS, &["a"], 2),
            Figure::real(&AGE, &[], 1.5),
            Figure::spread(&TOOK, &[], Spread { hits: vec![1, 0, 2], sum: 7.25 }),
            Figure::whole(&CALLS, &["b\"\\"], 0),
        ]
    }

    #[test]
    fn both_forms_are_what_their_standards_say() {
        let openmetrics = r##"# HELP age_seconds Age (the store, now)
# TYPE age_seconds gauge
age_seconds 1.5
# HELP calls Calls (this process)
# TYPE calls counter
calls_total{tool="a"} 2
calls_total{tool="b\"\\"} 0
# HELP took_seconds Took (all processes, since this one started)
# TYPE took_seconds histogram
took_seconds_sum 7.25
took_seconds_count 3
took_seconds_bucket{le="0.5"} 1
took_seconds_bucket{le="1.0"} 1
took_seconds_bucket{le="+Inf"} 3
# EOF
"##;
        assert_eq!(text(figures(), true), openmetrics);
        let prometheus = openmetrics.replace("# HELP calls ", "# HELP calls_total ");
        let prometheus = prometheus.replace("# TYPE calls ", "# TYPE calls_total ").replace("# EOF\n", "");
        assert_eq!(text(figures(), false), prometheus);
    }
}
