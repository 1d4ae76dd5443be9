//! `request_approval`: asking, and waiting a while for the answer. What an answer is worth is decided in `domain`.

use std::time::Duration;

use crate::domain::approval::Approval;
use crate::domain::command::{Command, Question, RequestApproval};
use crate::domain::decide::raise::RAISE;
use crate::domain::ids::ApprovalId;
use crate::domain::refusal::{Code, Refusal};
use crate::store::{self, Scope, With};
use crate::tools::request_approval::{Answered, Asking};
use crate::tools::{self, Output, Reply};

use super::{Call, Failure, Watch, acts, answers, noted};

const POLL: Duration = Duration::from_millis(200);

impl Call<'_> {
    pub(super) fn approval(
        &self,
        request: RequestApproval,
        wait_seconds: u64,
        watch: &dyn Watch,
    ) -> Result<Reply, Failure> {
        for what in &request.what {
            if let Question::Call { tool, arguments } = what
                && let Ok(known) = tools::find(tool)
            {
                // What could not run anyway is not worth a person's time.
                (known.parse)(arguments.clone()).map_err(|refusal| self.refuse(&request.target, refusal))?;
            }
            if let Question::Call { tool, arguments } = what {
                acts::could_run(tool, arguments).map_err(|refusal| self.refuse(&request.target, refusal))?;
            }
        }
        let raises = |what: &Question| matches!(what, Question::Call { tool, .. } if tool == RAISE);
        let with = if request.what.iter().any(raises) { With::GatesAndApprovers } else { With::Gates };
        let scope = Scope::Task { target: request.target.clone(), with };
        // Taken before, so that what the command found is not late for this.
        let context = self.engine.context(self.caller);
        let outcome = self.run(scope, Command::RequestApproval(request.clone()), Vec::new())?;
        let ids = answers::asked(&outcome, &request, &context)?;
        let until = self.engine.now().plus_seconds(wait_seconds);
        loop {
            let found = self.found(&ids)?;
            let now = self.engine.now();
            let open = found.iter().any(|approval| approval.state.is_pending() && !approval.has_run_out(now));
            let until = match found.as_slice() {
                [only] if open => watch.waiting(only, until),
                _ => until,
            };
            if !open || now >= until || watch.cancelled() {
                let mut all = found.iter().map(|approval| answers::asking(approval, now));
                let first: Option<Asking> = all.next();
                let gone = || Refusal::new(Code::UnknownApproval, "the approval is gone", "ask again");
                let answered = Answered { first: first.ok_or_else(gone)?, batch: all.collect() };
                return Ok(noted(answered.reply(), &outcome));
            }
            self.engine.renew_after_read(&self.caller.agent)?;
            watch.progress("waiting for a person");
            std::thread::sleep(POLL);
        }
    }

    fn found(&self, ids: &[ApprovalId]) -> Result<Vec<Approval>, Failure> {
        Ok(self.engine.view(|tx| {
            let found = ids.iter().map(|id| store::read::approval(tx, *id));
            Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })?)
    }
}
