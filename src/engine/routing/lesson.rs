//! What one try that has ended teaches, and what teaches nothing. Where tries are kept is not here (`store::routing`), and what
//! is made of lessons neither (`routing::learned`).

use crate::domain::decide::route::piece;
use crate::domain::route::{Judge, Work, project};
use crate::domain::workflow::ModelTier;
use crate::routing::catalogue::Catalogue;
use crate::routing::features::{self, Features};
use crate::routing::learned::{Learned, Piece};
use crate::store::routing::Known;

/// Why a try teaches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Silent {
    /// A model was routed, and nothing shows which one ran.
    NothingRan,
    /// What ran is not in the table of models, so it has no tier.
    UnknownModel,
    /// Neither its task nor its decision is there.
    NoWork,
}

impl Silent {
    pub fn words(self) -> &'static str {
        match self {
            Self::NothingRan => "nothing shows which model ran",
            Self::UnknownModel => "the model that ran is not in the table of models",
            Self::NoWork => "the work is no longer known",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Lesson {
    pub id: String,
    pub project: String,
    pub kind: Option<String>,
    pub tier: ModelTier,
    pub success: f64,
    /// In dollars.
    pub cost: Option<f64>,
    /// One failed at this piece of work before.
    pub again: bool,
    features: Features,
}

impl Lesson {
    pub fn teach(&self, learned: &mut Learned) {
        let kind = self.kind.as_deref();
        let piece = Piece { id: &self.id, project: &self.project, kind, features: &self.features };
        learned.tell(&piece, self.tier, self.success, self.cost, self.again);
    }
}

/// `assume_followed`: what was routed is taken to have run, where nothing else is known.
pub fn lesson(known: &Known, catalogue: &Catalogue, assume_followed: bool) -> Result<Lesson, Silent> {
    let tier = ran(known, catalogue, assume_followed)?;
    let tried = &known.tried;
    let (id, project, work) = match (&known.decided, &known.spec, tried.task) {
        (Some(decided), ..) => (decided.id.0.clone(), decided.project.clone(), decided.work.clone()),
        (None, Some(spec), Some(task)) => (piece(task, &tried.phase), project(spec), Work::of(spec, 0)),
        (None, ..) => return Err(Silent::NoWork),
    };
    Ok(Lesson {
        id,
        project,
        kind: work.kind,
        tier,
        success: tried.success,
        cost: tried.micro_usd.map(|micro| micro as f64 / 1e6),
        again: !tried.after.is_empty(),
        features: features::read(work.description.as_deref().unwrap_or_default()),
    })
}

/// The tier of the model that did it: as its transcript says, else as whoever told the outcome says.
fn ran(known: &Known, catalogue: &Catalogue, assume_followed: bool) -> Result<ModelTier, Silent> {
    let tried = &known.tried;
    let of = |model: &str| catalogue.find(model).map(|model| model.tier);
    if let Some(model) = &known.ran {
        return of(model).ok_or(Silent::UnknownModel);
    }
    if tried.judge != Judge::Gates {
        if let Some(told) = tried.told.as_deref() {
            let tier = (told == tried.tier.word()).then_some(tried.tier);
            return tier.or_else(|| of(told)).ok_or(Silent::UnknownModel);
        }
        if tried.decision.is_some() || tried.judge == Judge::Person {
            return Ok(tried.tier);
        }
    }
    if assume_followed { Ok(tried.tier) } else { Err(Silent::NothingRan) }
}

#[cfg(test)]
mod tests {
    use ModelTier::{Base, Strong, Weak};

    use super::*;
    use crate::domain::ids::{AgentName, RouteId, TaskId, Time};
    use crate::domain::route::{Decision, Routed, Tried};
    use crate::domain::task::TaskSpec;

    fn known(judge: Judge) -> Known {
        let spec = TaskSpec { title: "mend the parser".to_owned(), kind: "bugfix".to_owned(), ..TaskSpec::default() };
        let tried = Tried {
            task: Some(TaskId(3)),
            phase: "build".to_owned(),
            decision: None,
            tier: Base,
            told: None,
            success: 1.0,
            judge,
            micro_usd: Some(250_000),
            after: vec![Weak],
            at: Time(0),
        };
        Known { id: 1, tried, ran: None, spec: Some(Box::new(spec)), decided: None }
    }

    #[test]
    fn only_what_is_known_to_have_run_teaches_unless_the_settings_say_otherwise() {
        let table = Catalogue::built_in();
        let tier = |known: &Known, assumed| lesson(known, &table, assumed).map(|lesson| lesson.tier);
        let gates = known(Judge::Gates);
        assert_eq!((tier(&gates, false), tier(&gates, true)), (Err(Silent::NothingRan), Ok(Base)));
        let ran = |model: &str| Known { ran: Some(model.to_owned()), ..known(Judge::Gates) };
        assert_eq!(tier(&ran("claude-opus-5-5"), false), Ok(Strong), "what ran, not what was routed");
        assert_eq!(tier(&ran("made-up-9"), true), Err(Silent::UnknownModel));
        let agent = known(Judge::Agent);
        assert_eq!(tier(&agent, false), Err(Silent::NothingRan), "a failed attempt says nothing of the model");
        let mut told = known(Judge::Agent);
        for (word, taught) in [("haiku", Ok(Weak)), ("base", Ok(Base)), ("made-up-9", Err(Silent::UnknownModel))] {
            told.tried.told = Some(word.to_owned());
            assert_eq!(tier(&told, false), taught, "{word}");
            told.tried.decision = Some(RouteId("R-1".to_owned()));
            assert_eq!(tier(&told, true), taught, "{word}");
        }
        assert_eq!(tier(&Known { spec: None, ..ran("haiku") }, false), Err(Silent::NoWork));
    }

    #[test]
    fn a_lesson_is_of_the_piece_of_work_that_its_tries_share() {
        let table = Catalogue::built_in();
        let of_task = lesson(&known(Judge::Gates), &table, true).unwrap();
        assert_eq!((of_task.id.as_str(), of_task.kind.as_deref()), ("T-3/build", Some("bugfix")));
        assert!(of_task.again && of_task.cost == Some(0.25), "{of_task:?}");
        let decision = Decision {
            id: RouteId("R-1".to_owned()),
            agent: AgentName("a".to_owned()),
            task: None,
            project: "shop".to_owned(),
            work: Work { description: Some("rename a field".to_owned()), ..Work::default() },
            route: Routed { tier: Weak, model: None, reason: String::new() },
            at: Time(0),
            success: Some(1.0),
        };
        let mut told = Known { decided: Some(Box::new(decision)), spec: None, ..known(Judge::Agent) };
        told.tried.decision = Some(RouteId("R-1".to_owned()));
        let asked = lesson(&told, &table, false).unwrap();
        assert_eq!((asked.id.as_str(), asked.project.as_str(), asked.tier), ("R-1", "shop", Base));
    }
}
