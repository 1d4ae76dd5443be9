//! `phasegate audit head`: the newest signed head of the log, after sealing what is new.

use super::super::{Ended, Out, Place};

pub fn run(place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let Some(head) = engine.newest_head()? else {
        return Err(Ended::usage("the log holds no record yet", "an agent's first call writes one"));
    };
    out.answer(&serde_json::to_value(&head).unwrap_or_default(), &head.note);
    Ok(())
}
