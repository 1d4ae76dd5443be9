//! One line from a client: never a panic, and what goes on is what serde_json reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phasegate::mcp::frame::{Frame, FrameLimits, check};
use serde_json::Value;

fuzz_target!(|line: &[u8]| {
    if let Frame::Request { method, params, .. } | Frame::Notification { method, params } =
        check(line, &FrameLimits::default())
    {
        assert!(!method.is_empty());
        if let Some(params) = params {
            assert!(serde_json::from_str::<Value>(params).is_ok_and(|value| value.is_object()));
        }
    }
});
