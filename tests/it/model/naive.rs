//! Tasks, claims, leases and dependencies as plain maps, every rule written out the slow way. Shares no code with `decide`.
//! Where several refusals would be right, it names them all.

use std::collections::{BTreeMap, BTreeSet};

use phasegate::domain::facts::{Caller, Role};
use serde_json::Value;

#[derive(Clone, Debug)]
pub enum Said {
    Claimed { task: u64, fence: u64 },
    Done,
    Refused(Vec<&'static str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    Waiting,
    Ready,
    Claimed,
    Blocked,
    Done,
    Failed,
    Cancelled,
}

#[derive(Clone, Debug)]
pub struct Job {
    now: Now,
    rank: usize,
    needs: BTreeSet<String>,
    waits_for: BTreeSet<u64>,
    holder: Option<usize>,
    holder_name: Option<String>,
    fence: u64,
    failed: u32,
    tries: u32,
    /// Seconds; the lease and the moment it runs out.
    lease: u64,
    until: u64,
    handle: Option<String>,
    submitter: usize,
    worked_on_it: BTreeSet<usize>,
}

impl Job {
    pub fn seen(&self) -> (String, Option<String>, u64, u32) {
        (format!("{:?}", self.now).to_lowercase(), self.holder_name.clone(), self.fence, self.failed)
    }

    fn end_claim(&mut self, now: Now) {
        self.now = now;
        self.holder = None;
        self.holder_name = None;
        self.handle = None;
    }
}

struct Agent {
    name: String,
    can: BTreeSet<String>,
    most: usize,
    operator: bool,
}

pub struct Naive {
    pub now: u64,
    pub tasks: BTreeMap<u64, Job>,
    agents: Vec<Agent>,
    /// Which task each handle was for.
    handles: BTreeMap<String, u64>,
}

fn no(code: &'static str) -> Said {
    Said::Refused(vec![code])
}

fn id(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.trim_start_matches("T-").parse().unwrap_or(0))
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn rank(word: &str) -> usize {
    ["low", "medium", "high", "critical"].iter().position(|known| *known == word).unwrap_or(1)
}

impl Naive {
    pub fn new(callers: &[Caller]) -> Self {
        let agents = callers.iter().map(|caller| Agent {
            name: caller.agent.0.clone(),
            can: caller.capabilities.clone(),
            most: usize::try_from(caller.claims).unwrap_or(0),
            operator: caller.role == Role::Operator,
        });
        Self { now: 0, tasks: BTreeMap::new(), agents: agents.collect(), handles: BTreeMap::new() }
    }

    pub fn handle(&mut self, handle: String, task: u64) {
        if let Some(job) = self.tasks.get_mut(&task) {
            job.handle = Some(handle.clone());
        }
        self.handles.insert(handle, task);
    }

    pub fn sweep(&mut self) {
        for job in self.tasks.values_mut() {
            if job.now == Now::Claimed && job.until <= self.now {
                job.end_claim(Now::Ready);
            }
        }
    }

    fn held(&self, who: usize) -> Vec<u64> {
        self.tasks.iter().filter(|(_, job)| job.holder == Some(who)).map(|(id, _)| *id).collect()
    }

    pub fn call(&mut self, who: usize, tool: &str, arguments: &Value) -> Said {
        if self.agents[who].operator && matches!(tool, "claim_task" | "transition_phase") {
            return no("role_required");
        }
        if tool == "update_task" && nothing_asked(arguments) {
            return no("bad_arguments");
        }
        // Whatever it asks, asking keeps its claims alive once a third of a lease has gone by.
        for job in self.tasks.values_mut().filter(|job| job.holder == Some(who)) {
            let left = i128::from(job.until) - i128::from(self.now);
            if left * 3 < i128::from(job.lease) * 2 {
                job.until = self.now + job.lease;
            }
        }
        match tool {
            "submit_task" => self.submit(who, arguments),
            "claim_task" => self.claim(who, arguments),
            "transition_phase" => self.complete(who, arguments),
            _ => self.update(who, arguments),
        }
    }

    fn submit(&mut self, who: usize, arguments: &Value) -> Said {
        let mut waits_for = BTreeSet::new();
        for on in arguments["depends_on"].as_array().into_iter().flatten() {
            let on = id(on).unwrap_or(0);
            match self.tasks.get(&on).map(|job| job.now) {
                None => return no("unknown_task"),
                Some(Now::Cancelled) => return no("unknown_reference"),
                Some(Now::Done) => {}
                Some(_) => {
                    waits_for.insert(on);
                }
            }
        }
        let job = Job {
            now: if waits_for.is_empty() { Now::Ready } else { Now::Waiting },
            rank: rank(arguments["priority"].as_str().unwrap_or("medium")),
            needs: words(&arguments["capabilities"]).into_iter().collect(),
            waits_for,
            holder: None,
            holder_name: None,
            fence: 0,
            failed: 0,
            tries: arguments["attempts"].as_u64().and_then(|tries| u32::try_from(tries).ok()).unwrap_or(3),
            lease: 0,
            until: 0,
            handle: None,
            submitter: who,
            worked_on_it: BTreeSet::new(),
        };
        self.tasks.insert(self.tasks.len() as u64 + 1, job);
        Said::Done
    }

    fn claim(&mut self, who: usize, arguments: &Value) -> Said {
        let lease = arguments["lease_seconds"].as_u64().unwrap_or(900);
        if let Some(handle) = arguments["claim"].as_str() {
            return self.resume(who, handle, lease);
        }
        let held = self.held(who);
        let full = held.len() >= self.agents[who].most;
        if let Some(wanted) = id(&arguments["id"]) {
            if held.contains(&wanted) {
                return self.take(who, wanted, lease, false);
            }
            return match self.tasks.get(&wanted).map(|job| job.now) {
                _ if full => Said::Refused(vec!["claim_limit", "unknown_task"]),
                None => no("unknown_task"),
                Some(_) => self.one(who, wanted, lease),
            };
        }
        let least = arguments["filter"]["priority"].as_str().map_or(0, rank);
        if full {
            let again = self.agents[who].most == 1;
            return match held.first() {
                Some(mine) if again && self.tasks[mine].rank >= least => self.take(who, *mine, lease, false),
                _ => no("claim_limit"),
            };
        }
        let now = self.now;
        let can = &self.agents[who].can;
        let free = |job: &Job| job.now == Now::Ready || (job.now == Now::Claimed && job.until <= now);
        let fitting = self.tasks.iter().filter(|(_, job)| free(job) && job.rank >= least && job.needs.is_subset(can));
        let mut best: Option<(u64, usize)> = None;
        for (id, job) in fitting {
            if best.is_none_or(|(_, rank)| job.rank > rank) {
                best = Some((*id, job.rank));
            }
        }
        match best {
            Some((id, _)) => self.take(who, id, lease, true),
            None => no("nothing_ready"),
        }
    }

    fn one(&mut self, who: usize, wanted: u64, lease: u64) -> Said {
        let job = &self.tasks[&wanted];
        let lacks = !job.needs.is_subset(&self.agents[who].can);
        let free = job.now == Now::Ready || (job.now == Now::Claimed && job.until <= self.now);
        match (lacks, free) {
            (true, true) => no("missing_capability"),
            (true, false) => Said::Refused(vec!["missing_capability", "not_claimable"]),
            (false, false) => no("not_claimable"),
            (false, true) => self.take(who, wanted, lease, true),
        }
    }

    fn resume(&mut self, who: usize, handle: &str, lease: u64) -> Said {
        let Some(task) = self.handles.get(handle).copied() else { return no("no_claim") };
        let full = self.held(who).len() >= self.agents[who].most;
        let job = &self.tasks[&task];
        if job.now != Now::Claimed {
            return if full { Said::Refused(vec!["claim_limit", "not_claimable"]) } else { self.one(who, task, lease) };
        }
        if job.handle.as_deref() != Some(handle) {
            return no("stale_claim");
        }
        if job.holder == Some(who) {
            return self.take(who, task, lease, false);
        }
        match (full, job.needs.is_subset(&self.agents[who].can)) {
            (true, _) => Said::Refused(vec!["claim_limit", "missing_capability"]),
            (false, false) => no("missing_capability"),
            (false, true) => self.take(who, task, lease, true),
        }
    }

    fn take(&mut self, who: usize, task: u64, lease: u64, new: bool) -> Said {
        let (now, name) = (self.now, self.agents[who].name.clone());
        let Some(job) = self.tasks.get_mut(&task) else { return no("unknown_task") };
        job.now = Now::Claimed;
        job.holder = Some(who);
        job.holder_name = Some(name);
        job.fence += u64::from(new);
        job.lease = lease;
        job.until = now + lease;
        job.worked_on_it.insert(who);
        Said::Claimed { task, fence: job.fence }
    }

    /// The task a call is about: by handle, by id, or the only one held.
    fn aim(&self, who: usize, arguments: &Value) -> Result<u64, Said> {
        if let Some(handle) = arguments["claim"].as_str() {
            return self.handles.get(handle).copied().ok_or(no("no_claim"));
        }
        if let Some(task) = id(&arguments["task"]) {
            return if self.tasks.contains_key(&task) { Ok(task) } else { Err(no("unknown_task")) };
        }
        match self.held(who).as_slice() {
            [] => Err(no("no_claim")),
            [only] => Ok(*only),
            _ => Err(no("which_claim")),
        }
    }

    /// The same, for what only the holder may do.
    fn mine(&self, who: usize, arguments: &Value) -> Result<u64, Said> {
        let task = self.aim(who, arguments)?;
        let job = &self.tasks[&task];
        let stale = arguments["claim"].as_str().is_some_and(|handle| job.handle.as_deref() != Some(handle));
        if job.now == Now::Claimed && !stale && job.holder == Some(who) {
            return Ok(task);
        }
        Err(match (stale, job.now == Now::Claimed) {
            (true, _) => no("stale_claim"),
            (false, true) => no("not_holder"),
            (false, false) if job.worked_on_it.contains(&who) => no("stale_claim"),
            (false, false) => no("no_claim"),
        })
    }

    fn complete(&mut self, who: usize, arguments: &Value) -> Said {
        let task = match self.mine(who, arguments) {
            Ok(task) => task,
            Err(said) => return said,
        };
        if let Some(job) = self.tasks.get_mut(&task) {
            job.end_claim(Now::Done);
        }
        self.stop_waiting_for(task);
        Said::Done
    }

    fn stop_waiting_for(&mut self, task: u64) {
        for job in self.tasks.values_mut().filter(|job| job.now == Now::Waiting) {
            job.waits_for.remove(&task);
            if job.waits_for.is_empty() {
                job.now = Now::Ready;
            }
        }
    }

    fn entitled(&self, who: usize, task: u64) -> bool {
        let job = &self.tasks[&task];
        self.agents[who].operator || job.submitter == who || job.worked_on_it.contains(&who)
    }

    fn update(&mut self, who: usize, arguments: &Value) -> Said {
        let only_holders = ["progress", "release", "fail"].iter().any(|key| !arguments[*key].is_null());
        let frees = !arguments["release"].is_null() && self.agents[who].operator && arguments["claim"].is_null();
        if frees && let Ok(task) = self.aim(who, arguments) {
            let Some(job) = self.tasks.get_mut(&task).filter(|job| job.now == Now::Claimed) else {
                return self.mine(who, arguments).map_or_else(|said| said, |_| Said::Done);
            };
            job.end_claim(Now::Ready);
            return Said::Done;
        }
        let aimed = if only_holders { self.mine(who, arguments) } else { self.aim(who, arguments) };
        let task = match aimed {
            Ok(task) => task,
            Err(said) => return said,
        };
        let entitled = self.entitled(who, task);
        if !arguments["cancel"].is_null() {
            return self.cancel(who, task, &arguments["dependents"]);
        }
        let Some(job) = self.tasks.get_mut(&task) else { return no("unknown_task") };
        if !arguments["release"].is_null() {
            job.end_claim(Now::Ready);
        } else if !arguments["fail"].is_null() {
            job.failed += 1;
            let over = arguments["for_good"] == true || job.failed >= job.tries;
            job.end_claim(if over { Now::Failed } else { Now::Ready });
        } else if !arguments["blocker"].is_null() {
            match job.now {
                Now::Claimed if job.holder == Some(who) => job.end_claim(Now::Blocked),
                Now::Claimed => return no("not_holder"),
                Now::Ready | Now::Blocked if entitled => job.now = Now::Blocked,
                Now::Ready | Now::Blocked => return no("role_required"),
                _ => return no("wrong_state"),
            }
        } else if !arguments["unblock"].is_null() {
            match job.now {
                Now::Blocked if entitled => job.now = Now::Ready,
                Now::Blocked => return no("role_required"),
                _ => return no("wrong_state"),
            }
        } else if !arguments["reopen"].is_null() {
            match (entitled, job.now) {
                (true, Now::Failed) => {
                    job.now = Now::Ready;
                    job.failed = 0;
                }
                (true, _) => return no("wrong_state"),
                (false, _) => return Said::Refused(vec!["role_required", "wrong_state"]),
            }
        }
        Said::Done
    }

    fn cancel(&mut self, who: usize, task: u64, dependents: &Value) -> Said {
        let job = &self.tasks[&task];
        let others = job.now == Now::Claimed && job.holder != Some(who);
        let allowed = if others { self.agents[who].operator } else { self.entitled(who, task) };
        let open = !matches!(job.now, Now::Done | Now::Cancelled);
        if !allowed {
            return Said::Refused(vec!["role_required", "wrong_state"]);
        }
        if !open {
            return no("wrong_state");
        }
        let waiting_for = |gone: &BTreeSet<u64>, tasks: &BTreeMap<u64, Job>| -> BTreeSet<u64> {
            let waits = |job: &Job| job.now == Now::Waiting && !job.waits_for.is_disjoint(gone);
            tasks.iter().filter(|(_, job)| waits(job)).map(|(id, _)| *id).collect()
        };
        let mut gone = BTreeSet::from([task]);
        let first = waiting_for(&gone, &self.tasks);
        match dependents.as_str() {
            None if !first.is_empty() => return no("open_dependents"),
            Some("cancel") => loop {
                let before = gone.len();
                gone.extend(waiting_for(&gone, &self.tasks));
                if gone.len() == before {
                    break;
                }
            },
            _ => {}
        }
        for id in &gone {
            if let Some(job) = self.tasks.get_mut(id) {
                job.end_claim(Now::Cancelled);
            }
        }
        if dependents == "release" {
            self.stop_waiting_for(task);
        }
        Said::Done
    }
}

fn nothing_asked(arguments: &Value) -> bool {
    let asks = ["progress", "release", "fail", "blocker", "unblock", "cancel", "reopen"];
    asks.iter().all(|key| arguments[*key].is_null())
}
