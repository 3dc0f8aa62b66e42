//! Durations as an operator writes them: `30s`, `5m`, `1h30m`, `500ms`, `2d`.

use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

/// Reads a duration; `None` for anything else, also for signs, fractions, months and years.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_plain = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b' ';
    if !text.bytes().all(is_plain) {
        return None;
    }
    let span = SpanParser::new().parse_span(text).ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_an_operator_writes_them() {
        for (text, millis) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            (" 5 minutes ", 300_000),
            ("500ms", 500),
            ("0s", 0),
            ("2d", 172_800_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "5m ago",
            "-1s",
            "+1s",
            "1.5s",
            "01:30:00",
            "PT5M",
            "1mo",
            "1y",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
