//! Approvers' keys for tests, without files and passphrases, and answers signed with them. The keyring has tests of its own.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer, SigningKey};
use phasegate::domain::approval::Approval;
use phasegate::domain::approver::{Proof, PublicKey, Signed, Via, enrolment, to_sign};
use phasegate::domain::command::{DecideApprovals, Decision};
use phasegate::domain::decide::answer_statement;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{AgentName, ApprovalId, Time};
use phasegate::engine::{Engine, Failure};
use serde_json::Value;

use super::{agent, person};

pub struct Key {
    pub name: &'static str,
    seed: u8,
}

impl Key {
    pub const fn new(name: &'static str, seed: u8) -> Self {
        Self { name, seed }
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&[self.seed; 32])
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::of(self.key().verifying_key().as_bytes())
    }

    pub fn caller(&self) -> Caller {
        Caller { role: Role::Approver, ..agent(self.name) }
    }

    pub fn sign(&self, statement: &Value, at: Time) -> Signed {
        let signature = BASE64.encode(self.key().sign(&to_sign(statement, at)).to_bytes());
        Signed { key: self.public(), at, signature, passkey: None }
    }

    pub fn proof(&self, statement: &Value, at: Time) -> Proof {
        Proof { level: 1, via: Via::CommandLine, signed: Some(self.sign(statement, at)) }
    }

    /// As the first approver, on the operator's word.
    pub fn enrol_first(&self, engine: &Engine) {
        let (proof, name) = (Proof::unsigned(1, Via::CommandLine), AgentName(self.name.to_owned()));
        engine.enrol(&person("owner"), name, self.public(), BTreeSet::new(), proof).expect("the first approver");
    }

    /// By somebody who is an approver already.
    pub fn enrol(&self, by: &Self, groups: &[&str], engine: &Engine) -> Result<(), Failure> {
        let (name, groups) = (AgentName(self.name.to_owned()), groups.iter().map(|g| (*g).to_owned()).collect());
        let statement = enrolment(&engine.workspace_id().expect("a name"), &name, &self.public(), &groups);
        engine.enrol(&by.caller(), name, self.public(), groups, by.proof(&statement, engine.now()))
    }

    pub fn answer(&self, engine: &Engine, id: u64, decision: Decision) -> Result<Vec<Approval>, Failure> {
        let approval = engine.approval(ApprovalId(id)).expect("the store").expect("the approval");
        let statement = answer_statement(&engine.workspace_id().expect("a name"), &approval, &decision);
        let signed = self.sign(&statement, engine.now());
        let approvals = vec![(approval.id, Some(signed))];
        let answers = DecideApprovals { approvals, answer: decision, level: 1, via: Via::CommandLine };
        engine.answer(&self.caller(), answers)
    }
}
