//! How a call ended, in the words of the results.

use std::fmt;

/// The outcome of an attempt, or of a contact that was not called.
///
/// The names are a contract: scripts match on them, so none is ever renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
    /// Picked up, and talked at least `min_talk`.
    Answered,
    /// Picked up, and ended before `min_talk`.
    Short,
    /// Picked up by a machine, as `capture.machine` tells.
    Machine,
    /// Busy (Q.850 cause 17).
    Busy,
    /// Not answered in time, temporarily unavailable, or any other end after a sign of life.
    NoAnswer,
    /// Declined by the person called.
    Rejected,
    /// The trunk or the network could not carry the call.
    Congestion,
    /// The number does not exist, or is no number at all.
    InvalidNumber,
    /// Asterisk refused the request, or nothing else describes the end.
    Failed,
    /// Dialed, and how it ended is not known.
    Unknown,
    /// Hung up because the operator stopped the run.
    Cancelled,
    /// On a list of numbers never to call.
    Suppressed,
    /// The number is in an earlier row of the list.
    Duplicate,
}

impl Disposition {
    /// Every disposition, in the order in which they are reported.
    pub const ALL: [Self; 13] = [
        Self::Answered,
        Self::Short,
        Self::Machine,
        Self::Busy,
        Self::NoAnswer,
        Self::Rejected,
        Self::Congestion,
        Self::InvalidNumber,
        Self::Failed,
        Self::Unknown,
        Self::Cancelled,
        Self::Suppressed,
        Self::Duplicate,
    ];

    /// The name in the results, such as `NO ANSWER`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ANSWERED",
            Self::Short => "SHORT",
            Self::Machine => "MACHINE",
            Self::Busy => "BUSY",
            Self::NoAnswer => "NO ANSWER",
            Self::Rejected => "REJECTED",
            Self::Congestion => "CONGESTION",
            Self::InvalidNumber => "INVALID NUMBER",
            Self::Failed => "FAILED",
            Self::Unknown => "UNKNOWN",
            Self::Cancelled => "CANCELLED",
            Self::Suppressed => "SUPPRESSED",
            Self::Duplicate => "DUPLICATE",
        }
    }

    /// Whether a contact with this outcome is called again unless the campaign says otherwise.
    pub const fn retried_by_default(self) -> bool {
        matches!(self, Self::Busy | Self::NoAnswer | Self::Congestion)
    }

    /// The disposition of exactly that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|disposition| disposition.as_str() == name)
    }

    /// The disposition of that name, whatever its case, spaces, underscores and hyphens.
    pub fn from_words(word: &str) -> Option<Self> {
        let letters = |text: &str| -> Vec<u8> {
            let bytes = text.bytes().filter(|byte| !b" _-".contains(byte));
            bytes.map(|byte| byte.to_ascii_uppercase()).collect()
        };
        let word = letters(word);
        Self::ALL
            .into_iter()
            .find(|disposition| letters(disposition.as_str()) == word)
    }

    /// The disposition that a dialplan names, however it writes it; none that only the dialer can know.
    pub fn from_dialplan(word: &str) -> Option<Self> {
        match Self::from_words(word) {
            Some(Self::Unknown | Self::Cancelled | Self::Suppressed | Self::Duplicate) => None,
            disposition => disposition,
        }
    }

    /// Whether somebody or something picked up.
    pub const fn picked_up(self) -> bool {
        matches!(self, Self::Answered | Self::Short | Self::Machine)
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for disposition in Disposition::ALL {
            assert_eq!(
                Disposition::from_name(disposition.as_str()),
                Some(disposition)
            );
        }
        assert_eq!(Disposition::from_name("ANSWER"), None);
    }

    #[test]
    fn a_dialplan_names_an_outcome_as_it_likes_and_none_that_only_the_dialer_knows() {
        for word in ["NO ANSWER", "no_answer", "No-Answer", "NOANSWER"] {
            assert_eq!(
                Disposition::from_dialplan(word),
                Some(Disposition::NoAnswer),
                "{word}"
            );
        }
        assert_eq!(
            Disposition::from_dialplan("short"),
            Some(Disposition::Short)
        );
        for word in [
            "",
            "ANSWER",
            "UNKNOWN",
            "cancelled",
            "SUPPRESSED",
            "Duplicate",
        ] {
            assert_eq!(Disposition::from_dialplan(word), None, "{word}");
        }
    }

    #[test]
    fn only_the_busy_the_absent_and_the_congested_are_called_again_by_default() {
        let retried: Vec<_> = Disposition::ALL
            .into_iter()
            .filter(|d| d.retried_by_default())
            .map(Disposition::as_str)
            .collect();
        assert_eq!(retried, ["BUSY", "NO ANSWER", "CONGESTION"]);
    }
}
