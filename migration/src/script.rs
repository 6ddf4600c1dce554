//! What a migration is: a name, and scripts for one database, the other, or both.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// What a migration may do, and who starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// `001`-`099`: runs when a server starts. Builds that run beside it go on.
    Startup,
    /// `100`-`199`: breaks older builds, and runs when somebody says so.
    Release,
    /// `S001`-: reference data, which runs like a startup migration.
    Seed,
    /// `DM001`-: rows that are there already, in batches, while servers run.
    Data,
}

impl Category {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Release => "release",
            Self::Seed => "seed",
            Self::Data => "data",
        }
    }

    /// By the name of a migration; `None` for a name that follows no rule.
    pub fn of(name: &str) -> Option<Self> {
        let (head, rest) = name.split_once('_')?;
        let number = |digits: &str| -> Option<u16> {
            let plain = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
            if plain { digits.parse().ok() } else { None }
        };
        if rest.is_empty() {
            return None;
        }
        if let Some(digits) = head.strip_prefix("DM") {
            return number(digits).filter(|n| *n > 0).map(|_| Self::Data);
        }
        if let Some(digits) = head.strip_prefix('S') {
            return number(digits).filter(|n| *n > 0).map(|_| Self::Seed);
        }
        match number(head)? {
            1..=99 => Some(Self::Startup),
            100..=199 => Some(Self::Release),
            _ => None,
        }
    }
}

/// A migration of this build. Its scripts lie in `sql/`, by its name and their part:
///
/// | part | runs |
/// |---|---|
/// | `up`, `down` | on both databases; `{uuid}`, `{ts}`, `{json}`, `{bytes}` and `{audit}` stand for each one's spelling |
/// | `up.postgres`, `up.sqlite`, `down.postgres`, `down.sqlite` | on one of them, after the common one |
/// | `remaining` | of a data migration: counts the rows of the organisation `$1` that are left to do |
/// | `batch` | of a data migration: does at most `$2` of them |
#[derive(Debug)]
pub struct Migration {
    pub name: &'static str,
    pub(crate) scripts: &'static [(&'static str, &'static str)],
}

/// What a data migration runs, once for each organisation and within the wall around it.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub remaining: &'static str,
    pub batch: &'static str,
}

impl Migration {
    pub fn category(&self) -> Category {
        // A test holds every name to the rules.
        Category::of(self.name).unwrap_or(Category::Release)
    }

    /// All that runs on a database, spelled for it, with line ends of one kind: what the checksum is of.
    pub fn text(&self, backend: DbBackend) -> String {
        let own = own_part("up", backend);
        let parts = ["up", own, "remaining", "batch"].into_iter().filter_map(|part| self.script(part));
        let parts: Vec<_> = parts.map(|script| spell(backend, script).replace("\r\n", "\n")).collect();
        parts.join("\n")
    }

    /// `None` where the migration is not one of data.
    pub fn steps(&self) -> Option<Steps> {
        Some(Steps { remaining: self.script("remaining")?, batch: self.script("batch")? })
    }

    pub async fn up(&self, db: &impl ConnectionTrait) -> Result<(), DbErr> {
        self.run("up", db).await
    }

    pub async fn down(&self, db: &impl ConnectionTrait) -> Result<(), DbErr> {
        self.run("down", db).await
    }

    async fn run(&self, part: &str, db: &impl ConnectionTrait) -> Result<(), DbErr> {
        let backend = db.get_database_backend();
        for part in [part, own_part(part, backend)] {
            if let Some(script) = self.script(part) {
                db.execute_unprepared(&spell(backend, script)).await?;
            }
        }
        Ok(())
    }

    fn script(&self, part: &str) -> Option<&'static str> {
        self.scripts.iter().find(|(name, _)| *name == part).map(|(_, script)| *script)
    }
}

fn own_part(part: &str, backend: DbBackend) -> &'static str {
    match (part, backend) {
        ("up", DbBackend::Postgres) => "up.postgres",
        ("up", _) => "up.sqlite",
        (_, DbBackend::Postgres) => "down.postgres",
        _ => "down.sqlite",
    }
}

pub(crate) fn spell(backend: DbBackend, script: &str) -> String {
    let words: [(&str, &str, &str); 5] = [
        ("{uuid}", "uuid", "uuid_text"),
        ("{ts}", "timestamptz", "timestamp_with_timezone_text"),
        ("{json}", "jsonb", "jsonb_text"),
        ("{bytes}", "bytea", "blob"),
        ("{audit}", "audit.", ""),
    ];
    words.iter().fold(script.to_owned(), |text, (token, postgres, sqlite)| {
        text.replace(token, if backend == DbBackend::Postgres { postgres } else { sqlite })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::MIGRATIONS;

    #[test]
    fn a_name_tells_the_category() {
        let category = |name: &str| Category::of(name).map(Category::as_str);
        assert_eq!(category("001_core"), Some("startup"));
        assert_eq!(category("099_last"), Some("startup"));
        assert_eq!(category("100_first"), Some("release"));
        assert_eq!(category("199_last"), Some("release"));
        assert_eq!(category("S001_words"), Some("seed"));
        assert_eq!(category("DM001_sizes"), Some("data"));
        for odd in
            ["", " ", "core", "1_core", "000_core", "200_core", "001", "001_", "S000_x", "DM1_x", "X001_x", "S+01_x"]
        {
            assert_eq!(category(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn every_migration_follows_the_rules() {
        let names: BTreeSet<_> = MIGRATIONS.iter().map(|m| m.name).collect();
        assert_eq!(names.len(), MIGRATIONS.len(), "two have one name");
        for migration in MIGRATIONS {
            let category = Category::of(migration.name);
            assert!(category.is_some(), "{}: no rule for this name", migration.name);
            let has_steps = migration.steps().is_some();
            assert_eq!(has_steps, category == Some(Category::Data), "{}: data migrations have steps", migration.name);
        }
    }

    #[test]
    fn every_script_belongs_to_a_migration() {
        let known: BTreeSet<_> = MIGRATIONS
            .iter()
            .flat_map(|m| m.scripts.iter().map(|(part, _)| format!("{}.{part}.sql", m.name)))
            .chain(["history.sql".to_owned()])
            .collect();
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/sql");
        let files = std::fs::read_dir(directory).expect("the scripts").map(|file| file.expect("a file").file_name());
        let files: BTreeSet<_> = files.map(|name| name.to_string_lossy().into_owned()).collect();
        assert_eq!(files, known, "a script that MIGRATIONS does not name never runs");
    }

    #[test]
    fn the_text_is_that_of_one_database_whatever_its_line_ends_are() {
        let unix = Migration { name: "001_x", scripts: &[("up", "a {uuid}\nb"), ("up.sqlite", "c")] };
        let dos = Migration { name: "001_x", scripts: &[("up", "a {uuid}\r\nb"), ("up.sqlite", "c")] };
        assert_eq!(unix.text(DbBackend::Postgres), "a uuid\nb");
        assert_eq!(unix.text(DbBackend::Sqlite), "a uuid_text\nb\nc");
        assert_eq!(dos.text(DbBackend::Sqlite), unix.text(DbBackend::Sqlite));
    }
}
