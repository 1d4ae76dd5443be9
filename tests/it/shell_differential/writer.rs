//! Writes bash texts at random: every construct that the reader takes, in strange spacing, quoting and nesting, and
//! texts damaged on purpose. No text names a real program, a path with a slash, or a builtin that reaches other
//! processes.

mod words;

/// Marsaglia's xorshift64*: enough for choices, and the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % bound
    }

    pub fn of_100(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// None of them is a program, a builtin or a reserved word.
pub const NAMES: [&str; 6] = ["aa", "bb", "cc1", "d-d", "ee_e", "gg"];
const PLAIN: [&str; 16] =
    ["p", "q1", "-r", "--s=t", "u,v", "w:w", "k=v", "%", "@", "+x", "7", "12", "é", "a#b", "x^y", "-"];
const TOKENS: [&str; 62] = [
    "$(",
    "`",
    "'",
    "\"",
    "((",
    "))",
    "(",
    ")",
    "<(",
    ">(",
    ">&",
    "<&",
    ">&-",
    "<<E",
    "<<-E",
    "<<<",
    "\n",
    "\\\n",
    "\\",
    "{",
    "}",
    " ",
    ";",
    ";;",
    "&",
    "&&",
    "|",
    "|&",
    "||",
    "#",
    " #",
    "time ",
    "! ",
    "!",
    "coproc ",
    "if ",
    "then ",
    "fi",
    "esac",
    "case a in ",
    "in ",
    "do ",
    "done",
    "$",
    "${",
    "\t",
    "\u{a0}",
    "\u{b}",
    "function ",
    "()",
    "eval ",
    "x=",
    "x=(",
    "[[ ",
    " ]]",
    " == ",
    "=~ ",
    "$[",
    "select x in a; do ",
    "E\n",
    "a[",
    "$'",
];

pub struct Writer {
    pub dice: Dice,
    text: String,
    /// Bodies of here-documents that follow the next newline.
    bodies: Vec<String>,
    ends: usize,
}

impl Writer {
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), text: String::new(), bodies: Vec::new(), ends: 0 }
    }

    pub fn text(&mut self) -> String {
        self.text.clear();
        self.bodies.clear();
        let depth = self.dice.below(7) / 2;
        self.list(depth);
        if !self.bodies.is_empty() {
            self.newline();
        }
        std::mem::take(&mut self.text)
    }

    /// `text` with a few places damaged, some of them from `other`.
    pub fn damaged(&mut self, text: &str, other: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        for _ in 0..1 + self.dice.below(3) {
            let at = self.dice.below(letters.len() + 1);
            let to = (at + 1 + self.dice.below(4)).min(letters.len());
            match self.dice.below(6) {
                0 | 1 => drop(letters.drain(at..to)),
                2 | 3 => drop(letters.splice(at..at, self.dice.pick(&TOKENS).chars())),
                4 => {
                    let copied: Vec<char> = letters[at..to].to_vec();
                    let place = self.dice.below(letters.len() + 1);
                    drop(letters.splice(place..place, copied));
                }
                _ => {
                    let from: Vec<char> = other.chars().collect();
                    let start = self.dice.below(from.len() + 1);
                    let stop = (start + self.dice.below(12)).min(from.len());
                    drop(letters.splice(at..at, from[start..stop].iter().copied()));
                }
            }
        }
        letters.into_iter().collect()
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn put_one(&mut self, of: &[&str]) {
        let text = self.dice.pick(of);
        self.put(text);
    }

    fn blank(&mut self) {
        self.put_one(&[" ", " ", " ", "  ", "\t", " \\\n", " \\\n "]);
    }

    fn maybe_blank(&mut self) {
        self.put_one(&["", "", " ", "\t"]);
    }

    fn newline(&mut self) {
        self.put("\n");
        for body in std::mem::take(&mut self.bodies) {
            self.put(&body);
        }
    }

    fn end_of_command(&mut self) {
        if !self.bodies.is_empty() || self.dice.of_100(25) {
            if self.dice.of_100(10) {
                self.put(" # it's a (comment");
            }
            self.newline();
        } else {
            self.maybe_blank();
            self.put_one(&[";", ";", ";", "&"]);
            self.maybe_blank();
        }
    }

    fn list(&mut self, depth: usize) {
        self.chain(depth);
        for _ in 0..self.dice.below(if depth > 1 { 3 } else { 2 }) {
            self.end_of_command();
            self.chain(depth);
        }
    }

    /// A list that something closes: what it waits for is written before the end.
    fn closed(&mut self, depth: usize) {
        self.list(depth);
        self.end_of_command();
    }

    fn chain(&mut self, depth: usize) {
        self.pipeline(depth);
        while self.dice.of_100(15) {
            self.maybe_blank();
            self.put_one(&["&&", "||", "&& ", "|| \\\n"]);
            if self.bodies.is_empty() && self.dice.of_100(10) {
                self.put("\n");
            }
            self.maybe_blank();
            self.pipeline(depth);
        }
    }

    fn pipeline(&mut self, depth: usize) {
        if self.dice.of_100(6) {
            self.put_one(&["! ", "time ", "! ", "time -p ", "!  "]);
        }
        self.command(depth);
        while self.dice.of_100(15) {
            self.maybe_blank();
            self.put_one(&["|", "|", "|&"]);
            self.maybe_blank();
            self.command(depth);
        }
    }

    fn command(&mut self, depth: usize) {
        if depth == 0 || self.dice.of_100(55) {
            return self.simple(depth);
        }
        let depth = depth - 1;
        match self.dice.below(14) {
            0 | 1 => {
                self.put_one(&["(", "( "]);
                self.list(depth);
                if !self.bodies.is_empty() {
                    self.newline();
                }
                self.put_one(&[")", " )"]);
            }
            2 => {
                self.put_one(&["{ ", "{\n", "{\t"]);
                self.closed(depth);
                self.put("}");
            }
            3 => self.condition(depth),
            4 => {
                self.put_one(&["while ", "until "]);
                self.closed(depth);
                self.put("do ");
                self.closed(depth);
                self.put("break; done");
            }
            5 => self.each(depth),
            6 => {
                self.put("for ((i=0; i<2; i++)); do ");
                self.closed(depth);
                self.put("done");
            }
            7 | 8 => self.choice(depth),
            9 => self.conditions(depth),
            10 => {
                self.put("((");
                self.number(depth);
                self.put("))");
            }
            11 => self.function(depth),
            12 => self.folder(depth),
            _ => self.builtin(depth),
        }
        if self.dice.of_100(10) {
            self.blank();
            self.redirection(depth);
        }
    }

    fn condition(&mut self, depth: usize) {
        self.put("if ");
        self.closed(depth);
        self.put("then ");
        self.closed(depth);
        if self.dice.of_100(30) {
            self.put("elif ");
            self.closed(depth);
            self.put("then\n");
            self.closed(depth);
        }
        if self.dice.of_100(40) {
            self.put("else ");
            self.closed(depth);
        }
        self.put("fi");
    }

    fn each(&mut self, depth: usize) {
        self.put_one(&["for x in", "for i in", "for  y  in", "for x\nin"]);
        for _ in 0..self.dice.below(4) {
            self.blank();
            self.word(depth);
        }
        self.put_one(&["; do ", ";do\n", "\ndo "]);
        self.closed(depth);
        self.put("done");
    }

    fn choice(&mut self, depth: usize) {
        self.put("case ");
        self.word(depth);
        self.put_one(&[" in ", " in\n", "\nin "]);
        for _ in 0..1 + self.dice.below(2) {
            self.put_one(&["", "", "("]);
            self.put_one(&["*", "p", "[pq]", "\"p\" | q", "'x'|*", "?"]);
            self.put_one(&[")", " ) "]);
            self.list(depth);
            if !self.bodies.is_empty() {
                self.newline();
            }
            self.put_one(&[";;", " ;;\n", ";&", ";;& "]);
        }
        self.put_one(&["esac", " esac", "* ) gg\nesac"]);
    }

    fn conditions(&mut self, depth: usize) {
        self.put("[[ ");
        match self.dice.below(7) {
            0 => self.put_one(&["-f p", "-n $x", "! -d q", "( p == q )", "-v x", "p < q", "-z \"$x\""]),
            1 => {
                self.word(depth);
                self.put_one(&[" == ", " != ", " = "]);
                self.word(depth);
            }
            2 => {
                self.put("$x =~ ");
                self.put_one(&["^p$", "(p|q)+", "[[:space:]]", "p\\ q", "'p q'", "$(aa)"]);
            }
            3 => {
                self.number(0);
                self.put_one(&[" -eq ", " -lt "]);
                self.put_one(&["1", "x", "$i"]);
            }
            _ => {
                self.put("-n ");
                self.word(depth);
                self.put_one(&[" && ", " ||\n"]);
                self.put("-z ");
                self.word(depth);
            }
        }
        self.put(" ]]");
    }

    fn number(&mut self, depth: usize) {
        self.put_one(&[
            "1",
            "i",
            "x+1",
            " 2 * (i + 3) ",
            "i++",
            "$i",
            "${#x}",
            "1<2",
            "i=5",
            "x?1:2",
            "16#f",
            "y[1]",
            "aa",
        ]);
        if depth > 0 && self.dice.of_100(20) {
            self.put("+$(");
            self.substituted(depth - 1);
            self.put(")");
        }
    }

    /// Functions have names that no body calls, so that none calls itself.
    fn function(&mut self, depth: usize) {
        let name = self.dice.pick(&["f1", "f2", "f-3"]);
        match self.dice.below(3) {
            0 => self.put("function "),
            1 => {}
            _ => self.put_one(&["function ", ""]),
        }
        self.put(name);
        self.put_one(&["()", "( )", " ()", "()\n"]);
        self.put_one(&[" { ", "\n{\n", " { "]);
        self.closed(depth.min(1));
        self.put("}");
        if self.bodies.is_empty() {
            self.put_one(&["; ", "\n", " && "]);
            self.put(name);
            self.put_one(&["", " p", " 'q r'"]);
        }
    }

    fn folder(&mut self, depth: usize) {
        self.put_one(&[
            "cd sub",
            "cd sub",
            "cd 'sub'",
            "cd nowhere",
            "cd -- sub",
            "cd -",
            "cd $x",
            "command cd sub",
            "cd ~",
            "pushd sub",
            "exit",
            "exit 3",
        ]);
        self.put_one(&[" && ", "; ", " || ", "\n"]);
        self.simple(depth);
    }

    fn builtin(&mut self, depth: usize) {
        let before = self.dice.pick(&[
            "echo ",
            "printf '%s' ",
            "export x=",
            "read x <<< ",
            "local x=",
            "declare y=",
            "command ",
            "x=",
            "y=(",
            "x+=",
            "test -n ",
            "[ -z ",
            "set -- ",
            "set -e; aa ",
            "shopt -s nullglob; aa ",
            "IFS= read -r x <<< ",
            "readonly z=",
            ": ",
            "unset x y; aa ",
            "trap '' EXIT; bb ",
            "exec ",
            "builtin echo ",
            "true ",
            "let i=1; aa ",
            "alias aa=bb; aa ",
        ]);
        self.put(before);
        if before == "command " {
            self.name();
            self.blank();
        }
        self.word(depth);
        match before {
            "y=(" => self.put(" p)"),
            "[ -z " => self.put(" ]"),
            _ => {}
        }
    }

    fn name(&mut self) {
        let name = self.dice.pick(&NAMES);
        let (head, tail) = name.split_at(1);
        match self.dice.below(24) {
            0 => self.put(&format!("'{name}'")),
            1 => self.put(&format!("\"{name}\"")),
            2 => self.put(&format!("\\{name}")),
            3 => self.put(&format!("{head}''{tail}")),
            4 => self.put(&format!("{head}\"{tail}\"")),
            5 => self.put(&format!("$'{}'", name.bytes().map(|byte| format!("\\x{byte:x}")).collect::<String>())),
            6 => self.put(&format!("$'\\{:03o}'{tail}", head.as_bytes()[0])),
            7 if self.dice.of_100(30) => self.put("$x"),
            8 if self.dice.of_100(30) => self.put(&format!("{{{name},p}}")),
            _ => self.put(name),
        }
    }

    fn simple(&mut self, depth: usize) {
        while self.dice.of_100(12) {
            self.put_one(&["x=", "i=", "y=", "x+=", "z[1]="]);
            if self.dice.of_100(70) {
                self.word(depth);
            }
            self.blank();
        }
        if self.dice.of_100(5) {
            self.redirection(depth);
            self.blank();
        }
        self.name();
        for _ in 0..self.dice.below(3) {
            self.blank();
            self.word(depth);
        }
        while self.dice.of_100(12) {
            self.put_one(&[" ", "", "\t"]);
            self.redirection(depth);
            if self.dice.of_100(20) {
                self.blank();
                self.word(depth);
            }
        }
    }

    fn redirection(&mut self, depth: usize) {
        match self.dice.below(12) {
            0..5 => {
                self.put_one(&[">", "> ", ">>", " 2>", ">|", "&>", "&>>", " 3> ", "<>", "> \\\n"]);
                self.target(depth);
            }
            5 => self.put_one(&[">&2", " 2>&1", " 2>&- ", ">&-", "<&-", "<&0", " 3>&1-", ">& f4"]),
            6 => {
                self.put("< ");
                self.target(depth);
            }
            7 => {
                self.put_one(&["<<<", "<<< "]);
                self.word(depth);
            }
            8 => self.put_one(&["> >(aa p)", "< <(bb q)", " 2> >(cc1)"]),
            _ => self.document(depth),
        }
    }

    fn target(&mut self, depth: usize) {
        match self.dice.below(8) {
            0 => self.word(depth),
            1 => self.put("'f 5'"),
            2 => self.put("\"f6\""),
            _ => self.put_one(&["f1", "f2", "in1", "f3"]),
        }
    }

    fn document(&mut self, depth: usize) {
        self.ends += 1;
        let end = format!("E{}", self.ends % 7);
        let quoted = self.dice.of_100(40);
        let tabs = self.dice.of_100(25);
        self.put(if tabs { "<<-" } else { "<<" });
        self.put_one(&["", "", " "]);
        let mark = if quoted {
            [format!("'{end}'"), format!("\"{end}\""), format!("\\{end}")][self.dice.below(3)].clone()
        } else {
            end.clone()
        };
        self.put(&mark);
        let mut body = String::new();
        for _ in 0..self.dice.below(3) {
            if tabs && self.dice.of_100(50) {
                body.push('\t');
            }
            let line = self.aside(|writer| match writer.dice.below(7) {
                0 => writer.put("it's \"text\" & ; | (\n"),
                1 if depth > 0 => {
                    writer.put("$(");
                    writer.substituted(0);
                    writer.put(")\n");
                }
                2 => writer.put("`aa p`\n"),
                3 => writer.put("$x ${x:-$(bb)} $((1+2))\n"),
                4 => writer.put("\\$(aa) \\`bb\\` \\\\ \n"),
                5 => writer.put("p \\\nq\n"),
                _ => writer.put("plain\n"),
            });
            body.push_str(&line);
        }
        body.push_str(&end);
        body.push('\n');
        self.bodies.push(body);
    }

    /// What `inner` writes, for use elsewhere.
    fn aside(&mut self, inner: impl FnOnce(&mut Self)) -> String {
        let text = std::mem::take(&mut self.text);
        let bodies = std::mem::take(&mut self.bodies);
        inner(self);
        self.bodies = bodies;
        std::mem::replace(&mut self.text, text)
    }

    fn substituted(&mut self, depth: usize) {
        let outer = std::mem::take(&mut self.bodies);
        self.put_one(&["", " "]);
        self.list(depth);
        if !self.bodies.is_empty() {
            self.newline();
        }
        self.bodies = outer;
        self.put_one(&["", " "]);
    }
}
