//! A call's surroundings, looked up before it is judged: where links lead, what is phasegate's own.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::clients::hooked::ToolCall;
use crate::policy::client_call::ClientCall;
use crate::policy::judge::{self, Around, Guard, RuleSet};

use super::Told;
use crate::engine::Engine;

/// More places than this in one call are not looked up; the call is judged by what is known, which allows less.
const PLACES_MAX: usize = 512;

impl Engine {
    pub(super) fn client_call(&self, told: &Told, call: &ToolCall, kernel: bool) -> ClientCall {
        let mut around = self.around(told);
        let also = call.also.iter().map(|(tool, input)| (tool.as_str(), input));
        let parts: Vec<(&str, &Value)> = std::iter::once((call.tool.as_str(), &call.input)).chain(also).collect();
        let places = parts.iter().flat_map(|(tool, input)| judge::paths(tool, input, &around));
        let links: BTreeMap<String, String> = places.take(PLACES_MAX).filter_map(leads).collect();
        around.links = links;
        let (deny, ask) = (&told.theirs.deny, &told.theirs.ask);
        ClientCall {
            tool: call.tool.clone(),
            input: call.input.clone(),
            also: call.also.clone(),
            around,
            theirs: RuleSet::compile(deny, ask, &[]).0,
            kernel,
        }
    }

    fn around(&self, told: &Told) -> Around {
        let text = |path: &Path| path.display().to_string();
        let state = std::iter::once(&self.workspace.state).chain(&told.own_paths);
        Around {
            cwd: text(&told.hooked.cwd),
            home: told.home.as_deref().map(text),
            root: text(&self.workspace.root),
            links: BTreeMap::new(),
            guard: Guard { programs: vec![text(&told.binary)], paths: state.map(|path| text(path)).collect(), ports: Vec::new() },
        }
    }
}

/// Where a path really leads, where that is elsewhere. What does not exist yet lies where its nearest folder leads.
fn leads(place: String) -> Option<(String, String)> {
    let path = Path::new(&place);
    let mut missing = PathBuf::new();
    let mut known = path;
    let real = loop {
        match std::fs::canonicalize(known) {
            Ok(real) => break real,
            Err(_) => {
                // A link that leads nowhere would be followed by whoever writes.
                if let Ok(target) = std::fs::read_link(known) {
                    break known.parent().unwrap_or(Path::new("/")).join(target);
                }
                let Some(Component::Normal(name)) = known.components().next_back() else { return None };
                missing = Path::new(name).join(&missing);
                known = known.parent()?;
            }
        }
    };
    let real = if missing.as_os_str().is_empty() { real } else { real.join(missing) };
    let real = real.display().to_string();
    (real != place).then_some((place, real))
}
