//! An error with its sources in one line, for messages. `Display` of our errors says their own part only.

use std::error::Error;
use std::iter::successors;

pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for source in successors(error.source(), |&error| error.source()) {
        let source = source.to_string();
        // Some errors of libraries end with their source already.
        if !text.ends_with(&source) {
            text = format!("{text}: {source}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("x.csv cannot be locked: {source}")]
    struct WithSource {
        source: io::Error,
    }

    #[test]
    fn each_cause_is_said_once() {
        let source = || io::Error::other("no such folder");
        let error = WithSource { source: source() };
        assert_eq!(
            error_chain(&error),
            "x.csv cannot be locked: no such folder"
        );
        let error = anyhow::Error::new(source()).context("x.csv");
        assert_eq!(error_chain(error.as_ref()), "x.csv: no such folder");
    }
}
