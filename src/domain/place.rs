//! Paths that people configure, which must stay below a directory of the operator.

const LONGEST_PART: usize = 120;
const MOST_PARTS: usize = 16;

/// The parts of a configured path, or what is wrong with it.
pub fn relative_parts(path: &str) -> Result<Vec<&str>, String> {
    if path.starts_with('/') {
        return Err("must be relative; it lies below the directory of the organisation".into());
    }
    let parts: Vec<_> = path.trim_end_matches('/').split('/').collect();
    if parts.len() > MOST_PARTS {
        return Err(format!("must have at most {MOST_PARTS} parts"));
    }
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '=' | '+' | '@');
    for part in &parts {
        if part.is_empty() || part.starts_with('.') {
            return Err("must not have an empty part, or one that begins with a dot, such as ..".into());
        }
        if part.len() > LONGEST_PART || !part.chars().all(legal) {
            return Err(format!(
                "may hold letters, digits, blanks and _ - . = + @ between slashes, at most {LONGEST_PART} bytes a part"
            ));
        }
    }
    Ok(parts)
}

/// A name as one part of a path: other characters are written as `%` and their bytes, so that two names stay two.
pub fn safe_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (i, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && i > 0) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    if out.is_empty() { "%".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below() {
        assert_eq!(relative_parts("alerts/prod 1/"), Ok(vec!["alerts", "prod 1"]));
        for wrong in ["", "/", "/etc", "..", "a/../b", "a//b", "./a", "a/.hidden", "a\\b", "a\0b", "a\nb", "C:", "%2e"]
        {
            assert!(relative_parts(wrong).is_err(), "{wrong:?}");
        }
        assert!(relative_parts(&"a/".repeat(100)).is_err());
        assert!(relative_parts(&"a".repeat(121)).is_err());
    }

    #[test]
    fn names_become_parts_and_stay_apart() {
        assert_eq!(safe_name("acme-1.eu"), "acme-1.eu");
        assert_eq!(safe_name("../x"), "%2E.%2Fx");
        assert_eq!(safe_name("a/b"), "a%2Fb");
        assert_ne!(safe_name("a%2Fb"), safe_name("a/b"));
        assert_eq!(safe_name(".."), "%2E.");
        assert_eq!(safe_name(""), "%");
    }
}
