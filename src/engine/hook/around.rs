//! A call's surroundings, looked up before it is judged: where links lead, what is phasegate's own.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::clients::hooked::ToolCall;
use crate::domain::spending::Spent;
use crate::policy::client_call::ClientCall;
use crate::policy::judge::{self, Around, Guard, RuleSet};

use super::Told;
use crate::engine::Engine;
use crate::engine::links::links;
use crate::engine::ports;

impl Engine {
    pub(super) fn client_call(&self, told: &Told, call: &ToolCall, kernel: bool, first: Spent) -> ClientCall {
        let mut around = self.around(told);
        let also = call.also.iter().map(|(tool, input)| (tool.as_str(), input));
        let parts: Vec<(&str, &Value)> = std::iter::once((call.tool.as_str(), &call.input)).chain(also).collect();
        let theirs = RuleSet::compile(&told.theirs.deny, &told.theirs.ask, &[]).0;
        let of_calls = parts.iter().flat_map(|(tool, input)| judge::paths(tool, input, &around));
        let mut known = BTreeSet::new();
        let places = of_calls.chain(judge::paths_of_rules(&theirs, &around));
        let places: Vec<String> = places.filter(|path| known.insert(path.clone())).collect();
        around.links = links(&places);
        ClientCall {
            tool: call.tool.clone(),
            input: call.input.clone(),
            also: call.also.clone(),
            around,
            theirs,
            kernel,
            first,
        }
    }

    fn around(&self, told: &Told) -> Around {
        let text = |path: &Path| path.display().to_string();
        let own = self.own_files(told);
        let state = std::iter::once(&self.workspace.state).chain(&own);
        Around {
            cwd: text(&told.hooked.cwd),
            home: told.home.as_deref().map(text),
            root: text(&self.workspace.root),
            // The patterns of a workflow start where its file lies, wherever the agent has gone.
            base: Some(text(&self.workspace.root)),
            guard: Guard {
                programs: vec![text(&told.binary)],
                paths: state.map(|path| text(path)).collect(),
                ports: ports::listened_on(&self.workspace.state),
            },
            case_insensitive: *self.kept.folds_case.get_or_init(|| self.workspace.folds_case()),
            ..Around::default()
        }
    }
}
