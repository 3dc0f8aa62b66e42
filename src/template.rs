//! `{column}` in a text of the campaign. Pure.

/// A text with columns of the list in it, by their names. `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(crate) pieces: Vec<TemplatePiece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplatePiece {
    Text(String),
    Column(String),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    message: &'static str,
    /// Where the brace is, in bytes from the beginning of the text.
    pub(crate) at: usize,
}

const UNCLOSED: &str = "`{` is never closed: write {column}, or {{ for a brace";
const UNOPENED: &str = "`}` was never opened: write }} for a brace";
const NAMELESS: &str = "`{}` names no column";

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    /// A brace that is alone, or names no column.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(place) = rest.find(['{', '}']) {
            literal.push_str(&rest[..place]);
            let brace = &rest[place..=place];
            let after = &rest[place + 1..];
            let at = text.len() - rest.len() + place;
            let error = |message| Err(TemplateError { message, at });
            if let Some(doubled) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = doubled;
                continue;
            }
            if brace == "}" {
                return error(UNOPENED);
            }
            let (name, after) = match after.split_once('}') {
                Some((name, after)) if !name.contains('{') => (name.trim(), after),
                _ => return error(UNCLOSED),
            };
            if name.is_empty() {
                return error(NAMELESS);
            }
            if !literal.is_empty() {
                pieces.push(TemplatePiece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(TemplatePiece::Column(name.to_owned()));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(TemplatePiece::Text(literal));
        }
        Ok(Self { pieces })
    }

    /// The text around the columns.
    pub(crate) fn text(&self) -> String {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            TemplatePiece::Text(text) => Some(text.as_str()),
            TemplatePiece::Column(_) => None,
        });
        texts.collect()
    }

    pub(crate) fn names_a_column(&self) -> bool {
        let mut pieces = self.pieces.iter();
        pieces.any(|piece| matches!(piece, TemplatePiece::Column(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> TemplatePiece {
        TemplatePiece::Text(text.to_owned())
    }

    fn column(name: &str) -> TemplatePiece {
        TemplatePiece::Column(name.to_owned())
    }

    #[test]
    fn columns_and_braces_are_told_apart() {
        let template = Template::parse("PJSIP/{number}@{ trunk }{{x}}").unwrap();
        assert_eq!(
            template.pieces,
            [
                text("PJSIP/"),
                column("number"),
                text("@"),
                column("trunk"),
                text("{x}")
            ]
        );
        assert_eq!(Template::parse("").unwrap().pieces, []);
        assert!(!Template::parse("{{number}}").unwrap().names_a_column());
    }

    #[test]
    fn a_brace_that_is_alone_is_an_error() {
        for (text, message, at) in [
            ("a{b", UNCLOSED, 1),
            ("a{b{c}", UNCLOSED, 1),
            ("{{é{b", UNCLOSED, 4),
            ("a}b", UNOPENED, 1),
            ("{a}}", UNOPENED, 3),
            ("a{ }b", NAMELESS, 1),
        ] {
            assert_eq!(
                Template::parse(text),
                Err(TemplateError { message, at }),
                "{text}"
            );
        }
    }
}
