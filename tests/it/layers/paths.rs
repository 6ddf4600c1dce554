//! Every path of a source file, found in its tokens.

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// A path with at least two segments, or any path of a `use`.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) segments: Vec<String>,
    /// The module that it stands in, from the crate root.
    pub(super) module: Vec<String>,
    pub(super) line: usize,
}

pub(super) fn find_paths(source: &str, module: &[String]) -> Result<Vec<Found>, LexError> {
    let mut finder = Finder { module: module.to_vec(), found: Vec::new() };
    finder.read(source.parse::<TokenStream>()?);
    Ok(finder.found)
}

struct Finder {
    module: Vec<String>,
    found: Vec<Found>,
}

impl Finder {
    fn read(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match token {
                TokenTree::Ident(word) if word == "use" => self.path(&tokens, at + 1, Vec::new(), true),
                TokenTree::Ident(word) if word == "extern" && is_word(&tokens, at + 1, "crate") => {
                    self.path(&tokens, at + 2, Vec::new(), true)
                }
                TokenTree::Ident(word) if word == "mod" => self.inline_module(&tokens, at),
                TokenTree::Ident(_) => self.path(&tokens, at, Vec::new(), false),
                TokenTree::Group(group) => {
                    self.read(group.stream());
                    at + 1
                }
                _ => at + 1,
            };
        }
    }

    fn inline_module(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (tokens.get(at + 1), tokens.get(at + 2)) {
            self.module.push(name.to_string());
            self.read(body.stream());
            self.module.pop();
            return at + 3;
        }
        at + 1
    }

    /// Reads the path at `at`, with all branches of a `use` tree, and returns where it ends.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, mut segments: Vec<String>, is_use: bool) -> usize {
        if is_colons(tokens, at) {
            at += 2;
        }
        let mut line = 0;
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(word)) => {
                    segments.push(word.to_string().trim_start_matches("r#").to_owned());
                    line = word.span().start().line;
                    at += 1;
                    if !is_colons(tokens, at) {
                        break;
                    }
                    at += 2;
                }
                Some(TokenTree::Punct(star)) if is_use && star.as_char() == '*' => {
                    segments.push("*".to_owned());
                    line = star.span().start().line;
                    at += 1;
                    break;
                }
                Some(TokenTree::Group(tree)) if is_use && tree.delimiter() == Delimiter::Brace => {
                    let branches: Vec<TokenTree> = tree.stream().into_iter().collect();
                    for branch in branches.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
                        self.path(branch, 0, segments.clone(), true);
                    }
                    return at + 1;
                }
                // Generic arguments: what is in them is read on its own.
                _ => break,
            }
        }
        if line > 0 && (is_use || segments.len() > 1) {
            self.found.push(Found { segments, module: self.module.clone(), line });
        }
        at
    }
}

fn is_word(tokens: &[TokenTree], at: usize, word: &str) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Ident(found)) if found == word)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}
