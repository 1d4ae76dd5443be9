//! Where traces go and which are kept, once the environment was read and checked (`config`).

use super::sampler::Sampler;

#[derive(Clone, PartialEq)]
pub struct TraceSettings {
    /// The whole address that spans are posted to.
    pub endpoint: url::Url,
    /// Sent with each post; their values are secrets.
    pub headers: Vec<(String, String)>,
    pub service: String,
    pub sampler: Sampler,
}

/// An address can hold a secret in its path, and headers do; neither is shown.
impl std::fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceSettings")
            .field("host", &self.endpoint.host_str())
            .field("service", &self.service)
            .finish()
    }
}
