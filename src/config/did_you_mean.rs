//! The words of a campaign file: which keys there are, what a slip was meant to be, and what may name a variable. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The keys of tables, by the tables' names.
pub(super) type Words = BTreeMap<Cow<'static, str>, Vec<&'static str>>;

/// The word that is most like what was written, if any is.
pub(crate) fn nearest<'w>(
    written: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    words
        .into_iter()
        .map(|word| {
            let distance =
                strsim::damerau_levenshtein(&word.to_lowercase(), &written.to_lowercase());
            (distance, word)
        })
        .filter(|&(distance, word)| distance <= 2 && distance < word.len())
        .min()
        .map(|(_, word)| word)
}

/// Whether a name can be a channel variable's. Anything else would be a function that is written to.
pub(super) fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
}
