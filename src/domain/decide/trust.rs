//! Putting workflow versions in force. Reading and checking the file is not here.

use crate::domain::command::NewTrust;
use crate::domain::event::{Event, Origin};
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::refusal::Refusal;

use super::require;

pub fn workflows(facts: &Facts, versions: &[NewTrust], context: &Context) -> Result<Vec<Event>, Refusal> {
    if versions.iter().any(|version| version.origin == Origin::Person) {
        require(context, &[Role::Operator], "trusting a workflow")?;
    } else {
        require(context, &[Role::System], "putting the starters in force")?;
    }
    let news = versions.iter().filter(|version| {
        facts.state.trusts.get(&version.name).is_none_or(|known| {
            known.hash != version.hash || known.origin != version.origin || (version.default && !known.default)
        })
    });
    Ok(news
        .map(|version| Event::WorkflowTrusted {
            name: version.name.clone(),
            hash: version.hash.clone(),
            origin: version.origin,
            default: version.default,
        })
        .collect())
}
