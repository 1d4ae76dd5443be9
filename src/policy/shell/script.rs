//! A shell text as the list of what it would start. Everything that could not be read for certain is marked as
//! such.

use std::collections::BTreeSet;

/// All simple commands of a text, wherever they stand: in subshells, loops, functions, substitutions, here-documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub commands: Vec<Simple>,
    /// Why the text as a whole cannot be relied on; `commands` is then what could be found, enough to deny and never to allow.
    pub opaque: Option<String>,
    /// Names that the text defines as functions; a command of that name is then the function, whose body is listed too.
    pub functions: Vec<String>,
    /// Variables that are expanded where they may still have a value that is not from the text, or none.
    pub early: BTreeSet<String>,
    /// Variables that get values from a loop, a builtin or a calculation.
    pub filled: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    pub assignments: Vec<Assignment>,
    /// The program and its arguments; empty where there are only assignments or redirections.
    pub words: Vec<Word>,
    pub redirections: Vec<Redirection>,
    /// The folders it may run in; more than one where a `cd` before it may have failed.
    pub folders: Folders,
    pub input: Input,
    /// What stands in its here-document or here-string, where nothing is put into that when it runs.
    pub text: Option<String>,
    /// Which here-document of the whole that is, counted from one.
    pub document: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    pub value: Word,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Quotes, escapes and continuations resolved; what is expanded when it runs stands as it was written.
    pub text: String,
    pub expands: Expands,
}

/// What bash does to a word when it runs; nothing of it: the text is exactly the word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expands {
    /// `$x`, `$( )`, backticks, `$(( ))`, `<( )`: any text, and outside quotes any number of words.
    pub value: bool,
    /// `*`, `?`, `[ ]`: names of files.
    pub glob: bool,
    /// `{a,b}`: several words.
    pub brace: bool,
    /// `~`: a home folder.
    pub tilde: bool,
    /// A value that may become several words or none; never without `value`.
    pub splits: bool,
}

impl Expands {
    pub fn nothing(self) -> bool {
        !(self.value || self.glob || self.brace || self.tilde)
    }

    /// It may become several words or none.
    pub fn any_number(self) -> bool {
        self.brace || self.glob || (self.value && self.splits)
    }

    /// Of two pieces of one word.
    pub fn and(self, other: Self) -> Self {
        Self {
            value: self.value || other.value,
            splits: self.splits || other.splits,
            glob: self.glob || other.glob,
            brace: self.brace || other.brace,
            tilde: self.tilde || other.tilde,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    pub way: Way,
    pub target: Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Read,
    Write,
    Append,
    ReadWrite,
    /// `2>&1`, `>&-`: no file.
    Descriptor,
}

/// Where a command's input comes from: a shell or an interpreter that reads its program from there shows nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    #[default]
    Inherited,
    Pipe,
    /// A here-document or here-string.
    Text,
    File,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folders {
    /// Each as the words of the `cd` commands before it, from where the text starts; an empty list is that folder itself.
    /// A word that begins with `$` is a variable's value, whichever that is.
    Known(Vec<Vec<String>>),
    Unknown,
}

impl Default for Folders {
    fn default() -> Self {
        Self::Known(vec![Vec::new()])
    }
}
