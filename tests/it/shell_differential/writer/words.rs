//! The words of a text: quotes, expansions, and what only looks like either.

use super::{PLAIN, Writer};

impl Writer {
    pub(super) fn word(&mut self, depth: usize) {
        if self.dice.of_100(2) {
            self.put_one(&["<(aa)", ">(bb p)", "~", "~p"]);
            return;
        }
        for _ in 0..1 + self.dice.below(6) / 3 {
            self.piece(depth);
        }
    }

    fn piece(&mut self, depth: usize) {
        match self.dice.below(30) {
            0..10 => self.put_one(&PLAIN),
            10 => self.put_one(&["'p q'", "''", "'$(aa)'", "'`bb`'", "'a\\'", "'#'", "';'", "'\"'"]),
            11 => self.put_one(&["$'p\\tq'", "$'\\x41\\'z'", "$'\\e[0m'", "$'\\u41'", "$'\\cA'", "$'\\q'", "$'\\\\'"]),
            12..16 => self.double(depth),
            16 => self.put_one(&["\\ ", "\\;", "\\$", "\\\"", "\\'", "\\\\", "\\#", "\\é", "\\`", "\\("]),
            17 => self.put_one(&["$x", "$i", "$1", "$@", "$?", "$#", "${x}", "${x[0]}", "${#x}", "${!x}", "$"]),
            18 | 19 => self.parameter(depth, false),
            20 | 21 if depth > 0 => {
                self.put("$(");
                self.substituted(depth - 1);
                self.put(")");
            }
            22 if depth > 0 => self.backtick(),
            23 => {
                self.put("$((");
                self.number(depth.saturating_sub(1));
                self.put("))");
            }
            24 => self.put_one(&["{p,q}", "{1..3}", "{}", "{p", "a{,b}c", "x{y}z", "{\"p\",q}", "}"]),
            25 => self.put_one(&["*", "?", "[pq]", "[", "f*", "[!a]", "]"]),
            26 => self.put_one(&["!", "=", "==", "a=~p", "x:~", "if", "done", "in", "{", "time", "function", "esac"]),
            27 => self.put_one(&["\u{a0}", "\u{b}", "\u{2003}", "z\u{c}z"]),
            _ => self.put_one(&PLAIN),
        }
    }

    fn double(&mut self, depth: usize) {
        self.put("\"");
        for _ in 0..self.dice.below(4) {
            match self.dice.below(14) {
                0 => self.put_one(&["$x", "${x}", "$1", "$@", "$i", "$"]),
                1 if depth > 0 => {
                    self.put("$(");
                    self.substituted(depth - 1);
                    self.put(")");
                }
                2 if depth > 0 => self.put_one(&["`aa p`", "`bb`", "`cc1 'p q'`"]),
                3 => self.parameter(depth, true),
                4 => self.put_one(&["\\\"", "\\$", "\\`", "\\\\", "\\n", "\\'", "\\\n"]),
                5 => self.put_one(&["'", " ' ", "it's", "$(aa)'", "'$(bb)'"]),
                6 => self.put_one(&[";", " & ", "|", "(", ")", "#", " # ", "<", ">", "{a,b}", "*", "!"]),
                7 => {
                    self.put("$((");
                    self.number(0);
                    self.put("))");
                }
                8 if self.bodies.is_empty() => self.put("\n"),
                _ => self.put_one(&["p", "q r", " ", "é", "s-t"]),
            }
        }
        self.put("\"");
    }

    fn parameter(&mut self, depth: usize, quoted: bool) {
        self.put_one(&["${x:-", "${x-", "${x:+", "${x#", "${x%%", "${x//", "${y:=", "${1:-", "${i/p/"]);
        for _ in 0..self.dice.below(3) {
            match self.dice.below(10) {
                0 if depth > 0 => {
                    self.put("$(");
                    self.substituted(depth - 1);
                    self.put(")");
                }
                1 => self.put_one(&["`aa`", "$(bb)", "${x:-$(cc1)}"]),
                2 => self.put_one(&["'p'", "\"q\"", "'$(aa)'", "\"$(bb)\"", "'}'", "\"}\""]),
                3 => self.put_one(&["\\}", "\\$", "\\\\", "{", "(", ")", "*", " "]),
                4 if !quoted => self.put_one(&["<(aa)", "$'q'", "a b", ";", "&"]),
                _ => self.put_one(&["p", "q", "*", "-", "/"]),
            }
        }
        self.put("}");
    }

    fn backtick(&mut self) {
        self.put("`");
        self.put_one(&[
            "aa p",
            "bb 'q r'",
            "cc1 \\`aa x\\`",
            "aa \\\\p",
            "gg \\$x",
            "aa \"p\"",
            "bb; aa # c",
            "(aa)",
            "aa \\\"p",
            "gg \\'",
        ]);
        self.put("`");
    }
}
