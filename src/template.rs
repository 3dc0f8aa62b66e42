//! `{column}` in a text of the campaign: compiled once, bound to the list's columns, rendered for each contact. Pure.

/// A text with columns of the list in it, by their names or by what they are bound to. `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<C = String>(Vec<TemplatePiece<C>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePiece<C = String> {
    Text(String),
    Column(C),
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
        Ok(Self(pieces))
    }

    /// The same with what each column's name stands for.
    pub(crate) fn bind<C>(&self, mut column: impl FnMut(&str) -> C) -> Template<C> {
        let bound = self.0.iter().map(|piece| match piece {
            TemplatePiece::Text(text) => TemplatePiece::Text(text.clone()),
            TemplatePiece::Column(name) => TemplatePiece::Column(column(name)),
        });
        Template(bound.collect())
    }

    /// The text around the columns.
    pub(crate) fn text(&self) -> String {
        let text = |piece: &TemplatePiece| match piece {
            TemplatePiece::Text(text) => text.clone(),
            TemplatePiece::Column(_) => String::new(),
        };
        self.0.iter().map(text).collect()
    }

    pub(crate) fn names_a_column(&self) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, TemplatePiece::Column(_)))
    }
}

impl<C> Template<C> {
    pub(crate) fn pieces(&self) -> &[TemplatePiece<C>] {
        &self.0
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
