//! Traces for OpenTelemetry: spans, whose children they are, and sending them by OTLP over HTTP, in JSON. Off unless asked
//! for. A span never carries an argument or a text of a call. Metrics are not here (`engine::metrics`).

mod exporter;
mod otlp;
mod parent;
pub mod sampler;
pub mod settings;
mod span;

pub use exporter::{Exporter, start};
pub use parent::{Inside, TraceParent, inside};
pub use span::{Kind, Open, Span, Tracer, Value};
