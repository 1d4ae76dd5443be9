//! `route_model`: chosen and put on record in one transaction, so that its outcome can be told later.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::decide::route::asked;
use crate::domain::ids::RouteId;
use crate::domain::route::Work;
use crate::engine::{Call, Failure, noted};
use crate::store::{Scope, StoreError};
use crate::tools::{Output, Reply};

impl Call<'_> {
    pub(in crate::engine) fn route(&self, work: Work) -> Result<Reply, Failure> {
        let decision = RouteId(format!("R-{}", self.engine.clock.random_hex(6)));
        let slot = Arc::new(Mutex::new(None));
        let fill = Arc::clone(&slot);
        let scope = Scope::Standing;
        let outcome = self.permitted(scope, Vec::new(), move |facts, context| {
            let (route, event) = asked(facts, decision.clone(), &work, context).unzip();
            *fill.lock().unwrap_or_else(PoisonError::into_inner) = route;
            Ok(event.map(|event| vec![event]))
        })?;
        let route = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let route =
            route.ok_or_else(|| StoreError::BadRow { table: "decisions", why: "nothing was chosen".to_owned() })?;
        Ok(noted(route.reply(), &outcome))
    }
}
