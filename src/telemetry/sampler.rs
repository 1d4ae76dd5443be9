//! Which traces are kept, by the names OpenTelemetry gives samplers. Pure: the same trace is judged the same everywhere.

use super::TraceParent;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    root: Root,
    /// Whoever began the trace has decided already.
    follows_parent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Root {
    Always,
    Never,
    Share(f64),
}

impl Default for Sampler {
    fn default() -> Self {
        Self { root: Root::Always, follows_parent: true }
    }
}

impl Sampler {
    /// By `OTEL_TRACES_SAMPLER` and its argument.
    pub fn named(name: &str, argument: Option<&str>) -> Result<Self, String> {
        let (root, follows_parent) = match name.strip_prefix("parentbased_") {
            Some(root) => (root, true),
            None => (name, false),
        };
        let root = match root {
            "always_on" => Root::Always,
            "always_off" => Root::Never,
            "traceidratio" => Root::Share(share(argument)?),
            _ => {
                return Err(format!(
                    "OTEL_TRACES_SAMPLER is `{}`; known are always_on, always_off and traceidratio, each also with \
                     `parentbased_` before it",
                    name.chars().take(60).collect::<String>()
                ));
            }
        };
        Ok(Self { root, follows_parent })
    }

    pub fn keeps(&self, trace: u128, parent: Option<TraceParent>) -> bool {
        match (parent, self.root) {
            (Some(parent), _) if self.follows_parent => parent.sampled,
            (_, Root::Always) => true,
            (_, Root::Never) => false,
            (_, Root::Share(share)) => part_of(trace) < share,
        }
    }
}

/// Where the random half of a trace's id lies between 0 and 1.
fn part_of(trace: u128) -> f64 {
    let low = u32::try_from((trace >> 24) & u128::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(low) / (f64::from(u32::MAX) + 1.0)
}

fn share(argument: Option<&str>) -> Result<f64, String> {
    let Some(argument) = argument else { return Ok(1.0) };
    match argument.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sampler_keeps_what_its_name_says() {
        let parent = |sampled| Some(TraceParent { trace: 1, span: 1, sampled });
        let (low, high) = (1u128 << 20, u128::from(u64::MAX) << 8);
        for (name, argument, trace, parent, keeps) in [
            ("always_on", None, low, parent(false), true),
            ("always_off", None, low, parent(true), false),
            ("parentbased_always_on", None, low, None, true),
            ("parentbased_always_on", None, low, parent(false), false),
            ("parentbased_always_off", None, low, parent(true), true),
            ("parentbased_always_off", None, low, None, false),
            ("traceidratio", Some("0.5"), low, None, true),
            ("traceidratio", Some("0.5"), high, None, false),
            ("traceidratio", Some("0.5"), high, parent(true), false),
            ("parentbased_traceidratio", Some("0"), low, None, false),
            ("parentbased_traceidratio", Some("1"), high, None, true),
            ("traceidratio", None, high, None, true),
        ] {
            let sampler = Sampler::named(name, argument).unwrap();
            assert_eq!(sampler.keeps(trace, parent), keeps, "{name} {argument:?} {trace:x} {parent:?}");
        }
        for (name, argument) in [("jaeger_remote", None), ("traceidratio", Some("2")), ("traceidratio", Some("NaN"))] {
            assert!(Sampler::named(name, argument).is_err(), "{name}");
        }
    }
}
