//! Arguments of a tool: the first byte chooses the tool, the rest is JSON. A refusal, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phasegate::domain::refusal::Code;
use phasegate::tools::TOOLS;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(arguments) = serde_json::from_slice(rest) else { return };
    let tool = &TOOLS[usize::from(*first) % TOOLS.len()];
    if let Err(refusal) = (tool.parse)(arguments) {
        assert_eq!(refusal.code, Code::BadArguments);
    }
});
