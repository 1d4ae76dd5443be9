//! `phasegate audit head`: the newest signed head of the log, after sealing what is new.

use serde_json::json;

use crate::audit::hash::Hash;
use crate::domain::ids::Time;

use super::super::{Ended, Out, Place};

pub fn run(place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let Some(head) = engine.seal()? else {
        return Err(Ended::usage("the log holds no record yet", "an agent's first call writes one"));
    };
    let key = engine.verifier_key()?.map(|key| key.to_string());
    let root = <[u8; 32]>::try_from(head.root.as_slice()).map(|root| Hash(root).hex()).ok();
    let value = json!({ "size": head.size, "root": root, "at": Time(head.at), "number": head.number, "note": head.note,
        "key": key });
    out.answer(&value, &head.note);
    Ok(())
}
