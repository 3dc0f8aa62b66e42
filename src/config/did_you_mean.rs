//! What a misspelled word was meant to be: a key, a column, a disposition or a time zone.

/// The word that is most like the one written, if any is.
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
