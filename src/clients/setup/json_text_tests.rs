//! Tables for the cuts: what is there stays as it is, and taking away undoes putting in.

use serde_json::{Value, json};

use super::Step::{Index, Key};
use super::*;

const LAYOUTS: [&str; 12] = [
    "{}",
    "{}\n",
    "{\n  \"a\": 1\n}\n",
    "{\n\t\"a\": 1,\n\t\"s\": {\n\t\t\"x\": [1, 2]\n\t}\n}",
    "{\r\n    \"a\": 1,\r\n    \"s\": {}\r\n}\r\n",
    "{\"a\":1,\"s\":{\"x\":1}}",
    "{ \"a\": 1 }\n",
    "// top\n{\n  // first\n  \"a\": 1, // of a\n  \"s\": {\n    \"x\": true // of x\n  } /* end */\n}\n// last\n",
    "{\n  \"a\": 1,\n  \"s\": {\n    \"x\": 1,\n  },\n}\n",
    "\u{feff}{\n  \"ä\": \"\\\"}{\",\n  \"b\": [\n    {\"c\": null}\n  ]\n}\n",
    "{\n  \"s\": {\n    \"phase\": {}\n  }\n}\n\n",
    "{\n  // nothing yet\n}\n",
];

fn with(text: &str, path: &[Step<'_>], value: &Value) -> String {
    read(text, Dialect::Comments).unwrap().set(path, value).unwrap()
}

#[test]
fn a_member_put_in_is_there_and_all_else_too() {
    for text in LAYOUTS {
        let entry = json!({ "command": "phasegate", "args": ["serve"] });
        let new = with(text, &[Key("s"), Key("p")], &entry);
        let doc = read(&new, Dialect::Comments).unwrap_or_else(|fault| panic!("{fault}\n{new}"));
        let mut wanted = read(text, Dialect::Comments).unwrap().value(&[]).unwrap();
        wanted["s"]["p"] = entry.clone();
        assert_eq!(doc.value(&[]).unwrap(), wanted, "{new}");
        for line in text.lines().filter(|line| line.contains("//")) {
            let note = line.split("//").nth(1).unwrap();
            assert!(new.contains(note), "{note:?} is lost:\n{new}");
        }
        assert_eq!(new.ends_with('\n'), text.ends_with('\n'), "{new:?}");
        let ends = if text.contains('\r') { new.matches("\r\n").count() } else { new.matches('\n').count() };
        assert_eq!(new.split('\n').count() - 1, ends, "{new:?}");
        assert_eq!(new.contains('\r'), text.contains('\r'), "{new:?}");
    }
}

#[test]
fn what_was_put_in_can_be_taken_out_to_the_byte() {
    for text in LAYOUTS.into_iter().filter(|text| text.contains("\"x\"") || text.contains("\"phase\"")) {
        let entry = json!({ "command": "phasegate", "args": ["serve"], "env": { "A": "1" } });
        let new = with(text, &[Key("s"), Key("p")], &entry);
        let back = read(&new, Dialect::Comments).unwrap().remove(&[Key("s"), Key("p")]).unwrap();
        assert_eq!(back, text, "{new}");
    }
}

#[test]
fn items_are_put_last_and_taken_from_anywhere() {
    let text = "{\n  \"l\": [\n    1, // one\n    2\n  ]\n}\n";
    let doc = read(text, Dialect::Comments).unwrap();
    let more = doc.push(&[Key("l")], &json!(3)).unwrap();
    assert_eq!(more, "{\n  \"l\": [\n    1, // one\n    2,\n    3\n  ]\n}\n");
    let table = [
        (0, "{\n  \"l\": [ // one\n    2,\n    3\n  ]\n}\n"),
        (1, "{\n  \"l\": [\n    1, // one\n    3\n  ]\n}\n"),
        (2, "{\n  \"l\": [\n    1, // one\n    2\n  ]\n}\n"),
    ];
    for (index, wanted) in table {
        let doc = read(&more, Dialect::Comments).unwrap();
        assert_eq!(doc.remove(&[Key("l"), Index(index)]).unwrap(), wanted);
    }
    let flat = read("{\"l\": [\"a\"]}", Dialect::Strict).unwrap();
    assert_eq!(flat.push(&[Key("l")], &json!("b")).unwrap(), "{\"l\": [\"a\", \"b\"]}");
    assert_eq!(flat.remove(&[Key("l"), Index(0)]).unwrap(), "{\"l\": []}");
    assert_eq!(flat.push(&[Key("m")], &json!(1)).unwrap(), "{\"l\": [\"a\"], \"m\": [1]}");
}

#[test]
fn a_value_is_replaced_in_its_place() {
    let text = "{\n    \"a\": { \"b\": 1 },\n    \"c\": 2\n}";
    assert_eq!(with(text, &[Key("a"), Key("b")], &json!("x")), text.replace('1', "\"x\""));
    assert!(read(text, Dialect::Strict).unwrap().set(&[Key("c"), Key("d")], &json!(1)).is_err());
}

#[test]
fn a_text_that_is_not_sound_is_refused_with_its_place() {
    let deep = "[".repeat(101);
    let table = [
        ("", "line 1, column 1: no value"),
        ("{", "line 1, column 2: no `\"key\"`"),
        ("{\"a\":1,\n \"a\":2}", "line 2, column 2: the key `a` stands twice"),
        ("{\"a\" 1}", "line 1, column 6: no `:`"),
        ("{\"a\":1 \"b\":2}", "line 1, column 8: neither `,`"),
        ("{\"a\":tru}", "line 1, column 6: no value"),
        ("{\"a\":\"x}", "line 1, column 6: a text that does not end"),
        ("{} x", "line 1, column 4: more text"),
        ("{\"a\":[1}", "line 1, column 8: neither"),
        ("{\n// c\n}", "line 2, column 1: a comment, which"),
        ("{\"a\":1,}", "line 1, column 8: a comma before"),
        (deep.as_str(), "line 1, column 101: values nested too deep"),
    ];
    for (text, wanted) in table {
        let fault = read(text, Dialect::Strict).err().unwrap_or_else(|| panic!("{text} is taken"));
        assert!(fault.to_string().starts_with(wanted), "{text}: {fault}");
    }
}

#[test]
fn any_cut_of_a_sound_text_ends_well_or_is_refused() {
    for text in LAYOUTS {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            if let Ok(doc) = read(&text[..end], Dialect::Comments) {
                doc.value(&[]).unwrap();
            }
        }
    }
}
