//! Text from files on its way to a terminal or a log: it shows what is there, and steers nothing.

/// Control characters and those that turn the direction of a line or have no width, but the end of a line.
fn is_hidden(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c != '\n' && (c.is_control() || invisible)
}

/// Hidden characters as Rust escapes them.
pub(super) fn lines(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match is_hidden(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
        out
    })
}

/// The same of text that is to be a part of one line.
pub(super) fn inline(text: &str) -> String {
    lines(text).replace('\n', "\\n")
}

/// The same of a JSON document, which stays one: outside of its strings it has none.
pub(super) fn json(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match is_hidden(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
        out
    })
}
