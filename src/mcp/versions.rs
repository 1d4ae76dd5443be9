//! The versions of the protocol: which a request names, and what is told to who names one that is not spoken here.

use std::borrow::Cow;

use rmcp::model::{ErrorCode, ErrorData, ProtocolVersion};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

/// Where a request of 2026-07-28 and later says its version, in `_meta`.
pub const KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// Versions are dates. What is longer is none, and is not repeated in full.
pub const BYTES_MAX: usize = 64;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(rename = "_meta", borrow)]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion", borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<IgnoredAny>,
}

/// The version that a request names.
pub struct Named<'a> {
    pub version: Cow<'a, str>,
    /// It has the other field too that requests have from 2026-07-28 on.
    pub is_whole: bool,
}

/// What stands in the parameters of a request. None also where it is no text.
pub fn named(params: Option<&str>) -> Option<Named<'_>> {
    let meta = serde_json::from_str::<Params<'_>>(params?).ok()?.meta?;
    Some(Named { version: meta.version?, is_whole: meta.capabilities.is_some() })
}

pub fn is_spoken(version: &str, spoken: &[ProtocolVersion]) -> bool {
    spoken.iter().any(|known| known.as_str() == version)
}

pub fn unsupported(requested: &str, spoken: &[ProtocolVersion]) -> ErrorData {
    let shown = requested.get(..requested.floor_char_boundary(BYTES_MAX)).unwrap_or_default();
    let message = "this version of the protocol is not spoken here; `data.supported` has those that are";
    let data = json!({ "supported": spoken, "requested": shown });
    ErrorData::new(ErrorCode::UNSUPPORTED_PROTOCOL_VERSION, message, Some(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_under_its_name() {
        let params = json!({ "x": [1], "_meta": { "a": {}, KEY: "1" } }).to_string();
        let found = named(Some(&params)).unwrap();
        assert_eq!((found.version.as_ref(), found.is_whole), ("1", false));
        for params in [json!({}), json!({ "_meta": {} }), json!({ "_meta": { KEY: 1 } }), json!({ KEY: "1" })] {
            assert!(named(Some(&params.to_string())).is_none(), "{params}");
        }
    }

    #[test]
    fn a_long_version_is_cut_between_characters() {
        let data = unsupported(&"é".repeat(100), ProtocolVersion::KNOWN_VERSIONS).data.unwrap();
        assert_eq!(data["requested"], "é".repeat(32));
        assert_eq!(data["supported"].as_array().unwrap().len(), ProtocolVersion::KNOWN_VERSIONS.len());
    }
}
