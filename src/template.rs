//! `{column}` in a text of the campaign: compiled once, rendered for each contact. Pure.

/// A text with columns of the list in it. `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// The value of this column.
    Column(String),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `{` without its `}`.
    #[error("`{{` is never closed: write {{column}}, or {{{{ for a brace")]
    Unclosed {
        /// Where it stands, in bytes.
        at: usize,
    },
    /// A `}` without its `{`.
    #[error("`}}` was never opened: write }}}} for a brace")]
    Unopened {
        /// Where it stands, in bytes.
        at: usize,
    },
    /// `{}`
    #[error("`{{}}` names no column")]
    Nameless {
        /// Where it stands, in bytes.
        at: usize,
    },
}

impl TemplateError {
    /// Where the brace stands, in bytes from the beginning of the text.
    pub fn at(&self) -> usize {
        match *self {
            Self::Unclosed { at } | Self::Unopened { at } | Self::Nameless { at } => at,
        }
    }
}

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    /// A brace that is alone, or names no column.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(place) = rest.find(['{', '}']) {
            literal.push_str(&rest[..place]);
            let brace = &rest[place..=place];
            let after = &rest[place + 1..];
            let at = text.len() - rest.len() + place;
            if let Some(doubled) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = doubled;
            } else if brace == "}" {
                return Err(TemplateError::Unopened { at });
            } else {
                let (name, after) = after
                    .split_once('}')
                    .ok_or(TemplateError::Unclosed { at })?;
                let name = name.trim();
                if name.contains('{') {
                    return Err(TemplateError::Unclosed { at });
                }
                if name.is_empty() {
                    return Err(TemplateError::Nameless { at });
                }
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Column(name.to_owned()));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self(pieces))
    }

    /// The pieces in their order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// What stands there whatever the list holds.
    pub fn text(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Column(_) => "",
            })
            .collect()
    }

    /// Whether any column is named.
    pub fn names_a_column(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Column(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn column(name: &str) -> Piece {
        Piece::Column(name.to_owned())
    }

    #[test]
    fn columns_and_braces_are_told_apart() {
        let template = Template::parse("PJSIP/{number}@{ trunk }{{x}}").unwrap();
        assert_eq!(
            template.pieces(),
            [
                text("PJSIP/"),
                column("number"),
                text("@"),
                column("trunk"),
                text("{x}")
            ]
        );
        assert_eq!(Template::parse("").unwrap().pieces(), []);
        assert!(!Template::parse("{{number}}").unwrap().names_a_column());
    }

    #[test]
    fn a_brace_that_is_alone_is_an_error() {
        use TemplateError::{Nameless, Unclosed, Unopened};
        for (text, error) in [
            ("a{b", Unclosed { at: 1 }),
            ("a{b{c}", Unclosed { at: 1 }),
            ("{{é{b", Unclosed { at: 4 }),
            ("a}b", Unopened { at: 1 }),
            ("{a}}", Unopened { at: 3 }),
            ("a{ }b", Nameless { at: 1 }),
        ] {
            assert_eq!(Template::parse(text), Err(error), "{text}");
        }
    }
}
